import { pageRoute } from "../../http/route.ts";
import { approve, approveRun, decline, declineRun } from "./actions.ts";

export const approvalsPages = [
	pageRoute({ method: "POST", path: "/runs/:id/approve", allow: ["user"], action: "runs.approve", handle: approveRun }),
	pageRoute({ method: "POST", path: "/runs/:id/decline", allow: ["user"], action: "runs.approve", handle: declineRun }),
	pageRoute({ method: "POST", path: "/jobs/:id/approve", allow: ["user"], action: "runs.approve", handle: approve }),
	pageRoute({ method: "POST", path: "/jobs/:id/decline", allow: ["user"], action: "runs.approve", handle: decline }),
];
