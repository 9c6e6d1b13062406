import { pageRoute } from "../../http/route.ts";
import { notify } from "./actions.ts";

export const notificationsPages = [
	pageRoute({ method: "POST", path: "/runs/:id/notify", allow: ["user"], action: "notifications.test", handle: notify }),
];
