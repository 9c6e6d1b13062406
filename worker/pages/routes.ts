import { route } from "../api/context.ts";
import {
	approve,
	approveRun,
	cancelJob,
	cancelRun,
	decline,
	declineRun,
	deleteRun,
	notify,
	pause,
	pauseSchedule,
	replay,
	rerun,
	rerunFailed,
	rerunJob,
	restorePipeline,
	resume,
	resumeSchedule,
	runPipeline,
	trigger,
} from "./actions.ts";
import { asset } from "./assets.ts";
import { lines } from "./live_lines.ts";
import { logBlock } from "./log_block.ts";
import { newRunPage, submitNewRun } from "./new_run.tsx";
import { agentsPage, jobPage, runPage, runsPage, testPage } from "./pages.tsx";
import { pipelinePage } from "./pipeline_page.tsx";
import { projectPage, projectsPage, submitProject, submitProjectChange, submitProjectRemoval } from "./projects.tsx";
import { endSessionFromPage, sessionsPage } from "./sessions_page.tsx";
import { signIn, signInPage, signOut } from "./sign_in.tsx";

/** The status page. Its pages are for people who are signed in; a script may fetch them with a token, too. */
export const pageRoutes = [
	route("GET", "/", ["user"], runsPage),
	route("GET", "/runs/:id", ["user"], runPage),
	route("GET", "/jobs/:id", ["user"], jobPage),
	route("GET", "/jobs/:id/log/block", ["user"], logBlock),
	route("GET", "/jobs/:id/lines", ["user"], lines),
	route("GET", "/agents", ["user"], agentsPage),
	route("POST", "/runs/:id/cancel", ["user"], cancelRun),
	route("POST", "/runs/:id/delete", ["user"], deleteRun),
	route("POST", "/runs/:id/rerun", ["user"], rerun),
	route("POST", "/runs/:id/rerun-failed", ["user"], rerunFailed),
	route("POST", "/jobs/:id/rerun", ["user"], rerunJob),
	route("POST", "/runs/:id/approve", ["user"], approveRun),
	route("POST", "/runs/:id/decline", ["user"], declineRun),
	route("POST", "/runs/:id/notify", ["user"], notify),
	route("POST", "/jobs/:id/approve", ["user"], approve),
	route("POST", "/jobs/:id/decline", ["user"], decline),
	route("GET", "/projects", ["user"], projectsPage),
	route("POST", "/projects", ["user"], submitProject),
	route("GET", "/projects/:name", ["user"], projectPage),
	route("POST", "/projects/:name", ["user"], submitProjectChange),
	route("POST", "/projects/:name/delete", ["user"], submitProjectRemoval),
	route("POST", "/projects/:name/trigger", ["user"], trigger),
	route("POST", "/deliveries/:id/replay", ["user"], replay),
	route("POST", "/schedules/:id/pause", ["user"], pauseSchedule),
	route("POST", "/schedules/:id/resume", ["user"], resumeSchedule),
	route("GET", "/pipelines/:id", ["user"], pipelinePage),
	route("POST", "/pipelines/:id/trigger", ["user"], runPipeline),
	route("POST", "/pipelines/:id/restore", ["user"], restorePipeline),
	route("GET", "/tests", ["user"], testPage),
	route("GET", "/new", ["user"], newRunPage),
	route("POST", "/new", ["user"], submitNewRun),
	route("POST", "/queue/pause", ["user"], pause),
	route("POST", "/queue/resume", ["user"], resume),
	route("POST", "/jobs/:id/cancel", ["user"], cancelJob),
	route("GET", "/sessions", ["user"], sessionsPage),
	route("POST", "/sessions/:id/end", ["user"], endSessionFromPage),
	route("GET", "/sign-in", ["anyone", "user"], signInPage),
	route("POST", "/sign-in", ["anyone", "user"], signIn, { claims: () => "sign-in" }),
	route("POST", "/sign-out", ["user"], signOut),
	route("GET", "/assets/:name", ["anyone", "user"], asset),
];
