import { projectRoleRequest } from "../../../schema/wire/project_roles.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { grantRole, takeRole } from "../service.ts";

/** The forms of roles, on the page of a project. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 4096;

async function submitRole(context: Reader): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const { role } = validated(projectRoleRequest, { role: form.get("role") });
	const params = { ...context.params, person: (form.get("person") ?? "").trim() };
	await grantRole({ ...context, params }, role);
	return back(context);
}

async function submitTaking(context: Reader): Promise<Response> {
	await takeRole(context);
	return back(context);
}

function back({ params }: Reader): Response {
	return backTo(`/projects/${params.name}?tab=settings`);
}

const action = "projects.grant";

export const projectRolesPages = [
	pageRoute({ method: "POST", path: "/projects/:name/roles", allow: ["user"], action, handle: submitRole }),
	pageRoute({ method: "POST", path: "/projects/:name/roles/:person/take", allow: ["user"], action, handle: submitTaking }),
];
