import { pageRoute } from "../../http/route.ts";
import { cancelJob } from "./actions.ts";
import { jobPage } from "./pages.tsx";

export const jobsPages = [
	pageRoute({ method: "GET", path: "/jobs/:id", allow: ["user"], handle: jobPage }),
	pageRoute({ method: "POST", path: "/jobs/:id/cancel", allow: ["user"], handle: cancelJob }),
];
