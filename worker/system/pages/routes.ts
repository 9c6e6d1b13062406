import { pageRoute } from "../../http/route.ts";
import { livePageRoute } from "../../ui/live.ts";
import { moveToFront, pause, resume } from "./actions.ts";
import { keysPage } from "./keys_page.tsx";
import { queuePage } from "./queue_page.tsx";
import { settingsPage } from "./settings_page.tsx";

export const systemPages = [
	livePageRoute({ path: "/queue", handle: queuePage }),
	pageRoute({ method: "POST", path: "/queue/pause", allow: ["user"], action: "queue.pause", handle: pause }),
	pageRoute({ method: "POST", path: "/queue/resume", allow: ["user"], action: "queue.pause", handle: resume }),
	pageRoute({ method: "POST", path: "/jobs/:id/front", allow: ["user"], action: "queue.reorder", handle: moveToFront }),
	pageRoute({ method: "GET", path: "/settings", allow: ["user"], action: "read", handle: settingsPage }),
	pageRoute({ method: "GET", path: "/keys", allow: ["user"], action: "read", handle: keysPage }),
];
