import { ApiError } from "../../../schema/wire/errors.ts";
import { identityProviderRequest, parseSignUpRule, signUpRuleText } from "../../../schema/wire/identity_providers.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";
import { page } from "../../ui/layout.tsx";
import { validationErrorsIn } from "../../ui/validation_errors.tsx";
import { providersFor, putProvider, removeProvider } from "../service.ts";
import { type ProviderFields, type ProviderForm, ProvidersPage } from "./providers_page.tsx";

/** The page of identity providers and its forms. A rejected form keeps its values, but for the secret. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 64 * 1024;
const EMPTY: ProviderFields = {
	...{ name: "", kind: "oidc", url: "", label: "", client_id: "", client_secret: "", scopes: "", groups_claim: "", sign_up: "" },
};

/** GET /identity-providers, and ?change=NAME with the form of one. */
async function providersPage(context: Reader): Promise<Response> {
	const name = context.url.searchParams.get("change");
	const chosen = (await providersFor(context)).find((provider) => provider.name === name);
	const fields = chosen && {
		...{ ...EMPTY, name: chosen.name, kind: chosen.kind, url: chosen.url, label: chosen.label, client_id: chosen.client_id },
		...{ scopes: chosen.scopes.join(" "), groups_claim: chosen.groups_claim, sign_up: chosen.sign_up.map(signUpRuleText).join("\n") },
	};
	return show(context, { fields: fields ?? EMPTY, errors: [], message: null });
}

async function show(context: Reader, form: ProviderForm, status = 200): Promise<Response> {
	const providers = await providersFor(context);
	const children = <ProvidersPage providers={providers} form={form} baseUrl={context.baseUrl} rules={context.environment.OUTBOUND_RULES} />;
	return page(context, { title: "Identity providers", section: "settings", children }, status);
}

async function submit(context: Reader): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const text = (name: keyof ProviderFields) => (form.get(name) ?? "").trim();
	const fields: ProviderFields = {
		...{ name: text("name"), kind: text("kind"), url: text("url"), label: text("label"), client_id: text("client_id") },
		...{ client_secret: text("client_secret"), scopes: text("scopes"), groups_claim: text("groups_claim"), sign_up: text("sign_up") },
	};
	try {
		await putProvider({ ...context, params: { name: fields.name } }, validated(identityProviderRequest, requestOf(fields)));
		return backTo("/identity-providers");
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		const errors = validationErrorsIn(error);
		const message = errors.length === 0 ? `${error.message} ${error.suggestions[0] ?? ""}` : null;
		return show(context, { fields: { ...fields, client_secret: "" }, errors, message }, error.status);
	}
}

/** What the API would get. A rule that cannot be read stays a text, which the check names. */
function requestOf({ kind, url, label, client_id, client_secret, scopes, groups_claim, sign_up }: ProviderFields): object {
	const isOAuth = kind === "github" || kind === "gitea";
	const rules = sign_up.split("\n").filter((line) => line.trim() !== "");
	return {
		...{ kind, client_id, sign_up: rules.map((line) => parseSignUpRule(line) ?? line) },
		...(url !== "" && { url }),
		...(label !== "" && { label }),
		...(client_secret !== "" && { client_secret }),
		...(scopes !== "" && !isOAuth && { scopes: scopes.split(/\s+/) }),
		...(groups_claim !== "" && !isOAuth && { groups_claim }),
	};
}

function submitRemoval(context: Reader): Promise<Response> {
	const question = {
		title: `Remove ${context.params.name}`,
		text: "Nobody signs in with it any more, and the sessions of its people end. Their personal tokens stay. What it knew of removed people is forgotten, too.",
		button: "Remove the identity provider",
		back: "/identity-providers",
	};
	return onceConfirmed(context, question, async () => {
		await removeProvider(context);
		return backTo("/identity-providers");
	});
}

const action = "identity_providers.manage";

export const identityProvidersPages = [
	pageRoute({ method: "GET", path: "/identity-providers", allow: ["user"], action, handle: providersPage }),
	pageRoute({ method: "POST", path: "/identity-providers", allow: ["user"], action, handle: submit }),
	pageRoute({ method: "POST", path: "/identity-providers/:name/remove", allow: ["user"], action, handle: submitRemoval }),
];
