import { route } from "../../http/route.ts";
import { LINES } from "../api.ts";
import { LIVE_LINES, lines } from "./live_lines.ts";
import { logBlock } from "./log_block.ts";

export const logsPages = [
	route({ method: "GET", path: "/jobs/:id/log/block", allow: ["user"], query: LINES, handle: logBlock }),
	route({ method: "GET", path: "/jobs/:id/lines", allow: ["user"], query: LIVE_LINES, handle: lines }),
];
