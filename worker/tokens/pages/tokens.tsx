import { ApiError } from "../../../schema/wire/errors.ts";
import { may, rolesUpTo } from "../../../schema/wire/permissions.ts";
import { tokenRequest } from "../../../schema/wire/tokens.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { givenRole } from "../../identity/acting_team.ts";
import { greatestRoleOf } from "../../identity/project_roles.ts";
import { backTo } from "../../ui/back_to.ts";
import { page } from "../../ui/layout.tsx";
import { validationErrorsIn } from "../../ui/validation_errors.tsx";
import { makeToken, revokeToken, tokensFor } from "../service.ts";
import { type TokenFields, type TokenForm, TokensPage } from "./tokens_page.tsx";

/** The page of tokens and its forms. A rejected form keeps its values. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 16 * 1024;
const EMPTY: TokenFields = { name: "", role: "developer", projects: "", expires_in: "90d" };

function tokensPage(context: Reader): Promise<Response> {
	return show(context, { fields: EMPTY, errors: [], message: null, created: null });
}

async function show(context: Reader, form: TokenForm, status = 200): Promise<Response> {
	const role = greatestRoleOf(context.principal);
	const makesTokens = context.principal.personId !== null || may(role, "tokens.create");
	const roles = makesTokens ? rolesUpTo(givenRole({ team: context.principal.team, role })) : [];
	const children = <TokensPage tokens={await tokensFor(context)} roles={roles} form={form} server={context.baseUrl} />;
	return page(context, { title: "Tokens", section: "settings", children }, status);
}

/** Makes a token. Only the page of this answer shows it. */
async function submitToken(context: Reader): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const text = (name: keyof TokenFields) => (form.get(name) ?? "").trim();
	const fields: TokenFields = { name: text("name"), role: text("role"), projects: text("projects"), expires_in: text("expires_in") };
	const projects = fields.projects.split(/[\s,]+/).filter(Boolean);
	try {
		const wanted = validated(tokenRequest, { ...fields, projects: projects.length > 0 ? projects : undefined });
		return show(context, { fields: EMPTY, errors: [], message: null, created: await makeToken(context, wanted) }, 201);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		const errors = validationErrorsIn(error);
		return show(context, { fields, errors, message: errors.length === 0 ? error.message : null, created: null }, error.status);
	}
}

async function submitRevocation(context: Reader): Promise<Response> {
	await revokeToken(context, context.params.id ?? "");
	return backTo("/tokens");
}

export const tokensPages = [
	pageRoute({ method: "GET", path: "/tokens", allow: ["user"], action: "own.tokens", handle: tokensPage }),
	pageRoute({ method: "POST", path: "/tokens", allow: ["user"], action: "own.tokens", handle: submitToken }),
	pageRoute({ method: "POST", path: "/tokens/:id/revoke", allow: ["user"], action: "own.tokens", handle: submitRevocation }),
];
