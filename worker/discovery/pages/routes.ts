import { pageRoute } from "../../http/route.ts";
import { compare, trigger } from "./actions.ts";

export const discoveryPages = [
	pageRoute({ method: "POST", path: "/projects/:name/trigger", allow: ["user"], action: "runs.submit", handle: trigger }),
	pageRoute({ method: "POST", path: "/projects/:name/compare", allow: ["user"], action: "projects.compare", handle: compare }),
];
