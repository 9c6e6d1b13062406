import { pageRoute } from "../../http/route.ts";
import { projectPage, projectsPage, submitProject, submitProjectChange, submitProjectDeletion } from "./projects.tsx";

export const projectsPages = [
	pageRoute({ method: "GET", path: "/projects", allow: ["user"], handle: projectsPage }),
	pageRoute({ method: "POST", path: "/projects", allow: ["user"], handle: submitProject }),
	pageRoute({ method: "GET", path: "/projects/:name", allow: ["user"], handle: projectPage }),
	pageRoute({ method: "POST", path: "/projects/:name", allow: ["user"], handle: submitProjectChange }),
	pageRoute({ method: "POST", path: "/projects/:name/delete", allow: ["user"], handle: submitProjectDeletion }),
];
