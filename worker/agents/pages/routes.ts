import { pageRoute } from "../../http/route.ts";
import { livePageRoute } from "../../ui/live.ts";
import {
	agentPage,
	agentsPage,
	submitDeletion,
	submitDisable,
	submitDrain,
	submitEnable,
	submitRestriction,
	submitRotation,
	submitToken,
	submitTokenRevocation,
} from "./agents.tsx";

export const agentsPages = [
	livePageRoute({ path: "/agents", handle: agentsPage }),
	livePageRoute({ path: "/agents/:id", handle: agentPage }),
	pageRoute({ method: "POST", path: "/agents/:id/disable", allow: ["user"], action: "agents.manage", handle: submitDisable }),
	pageRoute({ method: "POST", path: "/agents/:id/enable", allow: ["user"], action: "agents.manage", handle: submitEnable }),
	pageRoute({ method: "POST", path: "/agents/:id/drain", allow: ["user"], action: "agents.manage", handle: submitDrain }),
	pageRoute({ method: "POST", path: "/agents/:id/rotate", allow: ["user"], action: "agents.manage", handle: submitRotation }),
	pageRoute({ method: "POST", path: "/agents/:id/restrict", allow: ["user"], action: "agents.manage", handle: submitRestriction }),
	pageRoute({ method: "POST", path: "/agents/:id/remove", allow: ["user"], action: "agents.manage", handle: submitDeletion }),
	pageRoute({ method: "POST", path: "/agents", allow: ["user"], action: "agents.manage", handle: submitToken }),
	pageRoute({ method: "POST", path: "/agent-tokens/:id/revoke", allow: ["user"], action: "agents.manage", handle: submitTokenRevocation }),
];
