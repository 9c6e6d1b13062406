import { pageRoute } from "../../http/route.ts";
import { pauseSchedule, resumeSchedule } from "./actions.ts";

export const schedulesPages = [
	pageRoute({ method: "POST", path: "/schedules/:id/pause", allow: ["user"], action: "schedules.change", handle: pauseSchedule }),
	pageRoute({ method: "POST", path: "/schedules/:id/resume", allow: ["user"], action: "schedules.change", handle: resumeSchedule }),
];
