import { route } from "../../http/route.ts";
import { LINES } from "../api.ts";
import { logBlock } from "./log_block.ts";

export const logsPages = [
	route({ method: "GET", path: "/jobs/:id/log/block", visitors: true, allow: ["user"], action: "read", query: LINES, handle: logBlock }),
];
