import { pageRoute } from "../../http/route.ts";
import { deleteCache } from "./actions.ts";

export const cachesPages = [
	pageRoute({
		method: "POST",
		path: "/projects/:name/caches/:cache/delete",
		allow: ["user"],
		action: "caches.delete",
		handle: deleteCache,
	}),
];
