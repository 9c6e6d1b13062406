import { pageRoute, route } from "../../http/route.ts";
import { livePageRoute } from "../../ui/live.ts";
import { cancelJob } from "./actions.ts";
import { LIVE_LINES, lines } from "./live_lines.ts";
import { jobPage } from "./pages.tsx";

export const jobsPages = [
	route({
		method: "GET",
		path: "/jobs/:id/lines",
		visitors: true,
		ignoresUnknown: true,
		allow: ["user"],
		action: "read",
		query: LIVE_LINES,
		handle: lines,
	}),
	livePageRoute({ path: "/jobs/:id", visitors: true, handle: jobPage }),
	pageRoute({ method: "POST", path: "/jobs/:id/cancel", allow: ["user"], action: "runs.cancel", handle: cancelJob }),
];
