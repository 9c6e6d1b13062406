import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";
import { pauseSchedule as setPaused } from "../service.ts";

export async function pauseSchedule(context: RequestContext<"user">): Promise<Response> {
	const text = "The schedule starts no runs until somebody resumes it. Missed times start no runs later.";
	return onceConfirmed(context, { title: "Pause the schedule", text, button: "Pause the schedule", back: "/projects" }, async () => {
		const { project } = await setPaused(context, true);
		return backTo(`/projects/${project}?tab=schedules`);
	});
}

export async function resumeSchedule(context: RequestContext<"user">): Promise<Response> {
	const { project } = await setPaused(context, false);
	return backTo(`/projects/${project}?tab=schedules`);
}
