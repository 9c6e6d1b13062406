import { pageRoute } from "../../http/route.ts";
import { livePageRoute } from "../../ui/live.ts";
import { projectPage, projectsPage, submitProject, submitProjectChange, submitProjectDeletion } from "./projects.tsx";

export const projectsPages = [
	pageRoute({ method: "GET", path: "/projects", allow: ["user"], action: "read", handle: projectsPage }),
	pageRoute({ method: "POST", path: "/projects", allow: ["user"], action: "projects.create", handle: submitProject }),
	livePageRoute({ path: "/projects/:name", visitors: true, handle: projectPage }),
	pageRoute({ method: "POST", path: "/projects/:name", allow: ["user"], action: "projects.change", handle: submitProjectChange }),
	pageRoute({ method: "POST", path: "/projects/:name/delete", allow: ["user"], action: "projects.create", handle: submitProjectDeletion }),
];
