import { pageRoute } from "../../http/route.ts";
import { pause, resume } from "./actions.ts";

export const systemPages = [
	pageRoute({ method: "POST", path: "/queue/pause", allow: ["user"], handle: pause }),
	pageRoute({ method: "POST", path: "/queue/resume", allow: ["user"], handle: resume }),
];
