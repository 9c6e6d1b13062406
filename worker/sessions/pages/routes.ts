import { pageRoute } from "../../http/route.ts";
import { joinPage, submitJoin } from "./join.tsx";
import { endSessionFromPage, sessionsPage } from "./sessions_page.tsx";
import { signIn, signInPage, signOut } from "./sign_in.tsx";

export const sessionsPages = [
	pageRoute({ method: "GET", path: "/sessions", allow: ["user"], action: "own.sessions", isAtHome: true, handle: sessionsPage }),
	pageRoute({
		method: "POST",
		path: "/sessions/:id/end",
		allow: ["user"],
		action: "own.sessions",
		isAtHome: true,
		handle: endSessionFromPage,
	}),
	pageRoute({ method: "GET", path: "/sign-in", allow: ["anyone", "user"], handle: signInPage }),
	pageRoute({
		method: "POST",
		path: "/sign-in",
		limit: "sign-in",
		allow: ["anyone", "user"],
		claims: () => ({ name: "sign-in", key: null }),
		handle: signIn,
	}),
	pageRoute({ method: "GET", path: "/join", allow: ["anyone", "user"], handle: joinPage }),
	pageRoute({
		method: "POST",
		path: "/join",
		limit: "sign-in",
		allow: ["anyone", "user"],
		claims: () => ({ name: "invitation", key: null }),
		handle: submitJoin,
	}),
	pageRoute({ method: "POST", path: "/sign-out", allow: ["user"], action: "own.sessions", isAtHome: true, handle: signOut }),
];
