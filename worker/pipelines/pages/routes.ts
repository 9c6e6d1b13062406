import { pageRoute } from "../../http/route.ts";
import { restorePipeline, runPipeline } from "./actions.ts";
import { pipelinePage } from "./pipeline_page.tsx";

export const pipelinesPages = [
	pageRoute({ method: "GET", path: "/pipelines/:id", allow: ["user"], action: "read", handle: pipelinePage }),
	pageRoute({ method: "POST", path: "/pipelines/:id/trigger", allow: ["user"], action: "runs.submit", handle: runPipeline }),
	pageRoute({ method: "POST", path: "/pipelines/:id/restore", allow: ["user"], action: "pipelines.change", handle: restorePipeline }),
];
