import { pageRoute } from "../../http/route.ts";
import { livePageRoute } from "../../ui/live.ts";
import { cancelRun, deleteRun, rerun, rerunFailed, rerunJob } from "./actions.ts";
import { newRunPage, submitNewRun } from "./new_run.tsx";
import { runPage } from "./run.tsx";
import { runsPage } from "./runs.tsx";

export const runsPages = [
	livePageRoute({ path: "/", handle: runsPage }),
	livePageRoute({ path: "/runs/:id", visitors: true, handle: runPage }),
	pageRoute({ method: "POST", path: "/runs/:id/cancel", allow: ["user"], action: "runs.cancel", handle: cancelRun }),
	pageRoute({ method: "POST", path: "/runs/:id/delete", allow: ["user"], action: "runs.delete", handle: deleteRun }),
	pageRoute({ method: "POST", path: "/runs/:id/rerun", allow: ["user"], action: "runs.rerun", handle: rerun }),
	pageRoute({ method: "POST", path: "/runs/:id/rerun-failed", allow: ["user"], action: "runs.rerun", handle: rerunFailed }),
	pageRoute({ method: "POST", path: "/jobs/:id/rerun", allow: ["user"], action: "runs.rerun", handle: rerunJob }),
	pageRoute({ method: "GET", path: "/new", allow: ["user"], action: "runs.submit", handle: newRunPage }),
	pageRoute({ method: "POST", path: "/new", allow: ["user"], action: "runs.submit", handle: submitNewRun }),
];
