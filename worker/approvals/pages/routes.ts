import { pageRoute } from "../../http/route.ts";
import { approve, approveRun, decline, declineRun } from "./actions.ts";
import { approvalLinkPage, decideByLink } from "./approval_link_page.tsx";

export const approvalsPages = [
	pageRoute({
		method: "GET",
		path: "/approve",
		allow: ["user"],
		action: "runs.approve",
		isAtHome: true,
		scope: "body",
		handle: approvalLinkPage,
	}),
	pageRoute({
		method: "POST",
		path: "/approve",
		allow: ["user"],
		action: "runs.approve",
		isAtHome: true,
		scope: "body",
		handle: decideByLink,
	}),
	pageRoute({ method: "POST", path: "/runs/:id/approve", allow: ["user"], action: "runs.approve", handle: approveRun }),
	pageRoute({ method: "POST", path: "/runs/:id/decline", allow: ["user"], action: "runs.approve", handle: declineRun }),
	pageRoute({ method: "POST", path: "/jobs/:id/approve", allow: ["user"], action: "runs.approve", handle: approve }),
	pageRoute({ method: "POST", path: "/jobs/:id/decline", allow: ["user"], action: "runs.approve", handle: decline }),
];
