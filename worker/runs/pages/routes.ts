import { pageRoute } from "../../http/route.ts";
import { cancelRun, deleteRun, rerun, rerunFailed, rerunJob } from "./actions.ts";
import { newRunPage, submitNewRun } from "./new_run.tsx";
import { runPage, runsPage } from "./pages.tsx";

export const runsPages = [
	pageRoute({ method: "GET", path: "/", allow: ["user"], handle: runsPage }),
	pageRoute({ method: "GET", path: "/runs/:id", allow: ["user"], handle: runPage }),
	pageRoute({ method: "POST", path: "/runs/:id/cancel", allow: ["user"], handle: cancelRun }),
	pageRoute({ method: "POST", path: "/runs/:id/delete", allow: ["user"], handle: deleteRun }),
	pageRoute({ method: "POST", path: "/runs/:id/rerun", allow: ["user"], handle: rerun }),
	pageRoute({ method: "POST", path: "/runs/:id/rerun-failed", allow: ["user"], handle: rerunFailed }),
	pageRoute({ method: "POST", path: "/jobs/:id/rerun", allow: ["user"], handle: rerunJob }),
	pageRoute({ method: "GET", path: "/new", allow: ["user"], handle: newRunPage }),
	pageRoute({ method: "POST", path: "/new", allow: ["user"], handle: submitNewRun }),
];
