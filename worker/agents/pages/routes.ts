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
	pageRoute({ method: "POST", path: "/agents/:id/disable", allow: ["user"], handle: submitDisable }),
	pageRoute({ method: "POST", path: "/agents/:id/enable", allow: ["user"], handle: submitEnable }),
	pageRoute({ method: "POST", path: "/agents/:id/drain", allow: ["user"], handle: submitDrain }),
	pageRoute({ method: "POST", path: "/agents/:id/rotate", allow: ["user"], handle: submitRotation }),
	pageRoute({ method: "POST", path: "/agents/:id/restrict", allow: ["user"], handle: submitRestriction }),
	pageRoute({ method: "POST", path: "/agents/:id/remove", allow: ["user"], handle: submitDeletion }),
	pageRoute({ method: "POST", path: "/agents", allow: ["user"], handle: submitToken }),
	pageRoute({ method: "POST", path: "/agent-tokens/:id/revoke", allow: ["user"], handle: submitTokenRevocation }),
];
