import type { FieldError } from "../../../schema/wire/errors.ts";
import { type IdentityProvider, PROVIDER_KINDS, PROVIDER_URLS, signUpRuleText } from "../../../schema/wire/identity_providers.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";

/** The fields of the form, as texts. */
export type ProviderFields = Record<
	"name" | "kind" | "url" | "label" | "client_id" | "client_secret" | "scopes" | "groups_claim" | "sign_up",
	string
>;

export interface ProviderForm {
	fields: ProviderFields;
	errors: readonly FieldError[];
	message: string | null;
}

interface ProvidersPageProps {
	providers: readonly IdentityProvider[];
	form: ProviderForm;
	baseUrl: string;
	/** Which servers the coordinator may ask; undefined on Cloudflare. */
	rules: string | undefined;
}

export function ProvidersPage({ providers, form, baseUrl, rules }: ProvidersPageProps) {
	return (
		<section>
			<h1>Identity providers</h1>
			<p class="soft">People sign in with the account that they have there. Who has no invitation needs a rule.</p>
			{providers.length === 0 && <p class="empty">There is none yet: people sign in with passwords.</p>}
			<ul class="list">
				{providers.map((provider) => (
					<Row key={provider.name} provider={provider} />
				))}
			</ul>
			<h2>Add or change one</h2>
			<Form form={form} baseUrl={baseUrl} rules={rules} />
		</section>
	);
}

function Row({ provider }: { provider: IdentityProvider }) {
	const { name, kind, url, label, sign_up, redirect_uri } = provider;
	return (
		<li class="row token">
			<span class="grow">
				<b>{label}</b>
				<span class="soft">{` · ${name} · ${kind} at ${url}`}</span>
				<br />
				{sign_up.length === 0 ? "Only invited people sign in." : "Who may sign up, and as what: "}
				{sign_up.map((rule) => (
					<code key={signUpRuleText(rule)}>{`${signUpRuleText(rule)} `}</code>
				))}
				<br />
				<span class="soft">Redirect URI </span>
				<code>{redirect_uri}</code>
			</span>
			<div class="row">
				<a class="button" href={`/identity-providers?change=${name}`}>
					Change
				</a>
				<PostForm action={`/identity-providers/${name}/remove`}>
					<button type="submit" class="danger">
						Remove
					</button>
				</PostForm>
			</div>
		</li>
	);
}

function Form({ form: { fields, errors, message }, baseUrl, rules }: Pick<ProvidersPageProps, "form" | "baseUrl" | "rules">) {
	return (
		<PostForm action="/identity-providers" class="form">
			{message && <p class="reason bad">{message}</p>}
			<ValidationErrors errors={errors} />
			<p>
				Register an application at the provider, with the redirect URI <code>{`${baseUrl}/sign-in/with/NAME/callback`}</code>, where NAME is
				the name below.
			</p>
			{rules !== undefined && (
				<p class="soft">
					{"The coordinator may ask these servers: "}
					<code>{rules}</code>. A provider on the LAN is reached only if --allow-outbound of windlass serve names it.
				</p>
			)}
			<label>
				Name <span class="soft">– part of its addresses, such as company</span>
				<input name="name" value={fields.name} required autoComplete="off" />
			</label>
			<label>
				Kind
				<select name="kind">
					{PROVIDER_KINDS.map((kind) => (
						<option key={kind} value={kind} selected={kind === fields.kind}>
							{kind === "oidc" ? "OpenID Connect" : kind}
						</option>
					))}
				</select>
			</label>
			<label>
				Address{" "}
				<span class="soft">{`– of OpenID Connect the issuer, to the byte; empty: ${Object.values(PROVIDER_URLS).join(" or ")}`}</span>
				<input name="url" value={fields.url} type="url" autoComplete="off" />
			</label>
			<label>
				Label <span class="soft">– what the button says</span>
				<input name="label" value={fields.label} autoComplete="off" />
			</label>
			<label>
				Client ID <input name="client_id" value={fields.client_id} required autoComplete="off" />
			</label>
			<label>
				Client secret <span class="soft">– empty: the one that is stored stays</span>
				<input name="client_secret" type="password" autoComplete="off" />
			</label>
			<label>
				Who may sign up, and as what <span class="soft">– one rule on each line; without one, only invited people sign in</span>
				<textarea name="sign_up" rows={4} placeholder={"domain:example.org=viewer\ngroup:ci-admins=admin"} value={fields.sign_up} />
			</label>
			<details>
				<summary>More, for OpenID Connect and GitLab</summary>
				<label>
					Scopes <span class="soft">– what the provider is asked for; default: openid profile email</span>
					<input name="scopes" value={fields.scopes} autoComplete="off" />
				</label>
				<label>
					Claim of the groups <span class="soft">– default: groups</span>
					<input name="groups_claim" value={fields.groups_claim} autoComplete="off" />
				</label>
			</details>
			<button type="submit" class="main">
				Save, once it has answered
			</button>
		</PostForm>
	);
}
