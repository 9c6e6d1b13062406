import { pageRoute } from "../../http/route.ts";
import { replay } from "./actions.ts";

export const webhooksPages = [
	pageRoute({ method: "POST", path: "/deliveries/:id/replay", allow: ["user"], action: "deliveries.replay", handle: replay }),
];
