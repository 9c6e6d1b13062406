import { route } from "../api/context.ts";
import { cancelJob, cancelRun, deleteRun, pause, resume } from "./actions.ts";
import { asset } from "./assets.ts";
import { lines } from "./live_lines.ts";
import { logBlock } from "./log_block.ts";
import { agentsPage, jobPage, runPage, runsPage } from "./pages.tsx";
import { signInByLink, signInByToken, signOut } from "./sign_in.ts";

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
	route("POST", "/queue/pause", ["user"], pause),
	route("POST", "/queue/resume", ["user"], resume),
	route("POST", "/jobs/:id/cancel", ["user"], cancelJob),
	route("GET", "/sign-in", ["anyone", "user"], signInByLink),
	route("POST", "/sign-in", ["anyone", "user"], signInByToken),
	route("POST", "/sign-out", ["user"], signOut),
	route("GET", "/assets/:name", ["anyone", "user"], asset),
];
