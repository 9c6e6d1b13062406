import type { FieldError } from "../../../schema/wire/errors.ts";
import type { Role } from "../../../schema/wire/permissions.ts";
import type { CreatedToken, Token } from "../../../schema/wire/tokens.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";
import { Ago, readable } from "../../ui/words.tsx";

/** The values of the form of a new token. */
export type TokenFields = Record<"name" | "role" | "projects" | "expires_in", string>;

export interface TokenForm {
	fields: TokenFields;
	errors: readonly FieldError[];
	message: string | null;
	/** The new token: only this page shows it. */
	created: CreatedToken | null;
}

interface TokensPageProps {
	tokens: readonly Token[];
	/** The roles that the reader can give; empty if the reader makes no tokens. */
	roles: readonly Role[];
	form: TokenForm;
	server: string;
}

export function TokensPage({ tokens, roles, form, server }: TokensPageProps) {
	return (
		<section>
			<h1>Tokens</h1>
			<p class="soft">
				For programs, and for the windlass commands on other machines. Each has a role; runs, approvals and the log name it as their actor.
			</p>
			{form.created && <Created created={form.created} server={server} />}
			<ul class="list">
				{tokens.map((token) => (
					<Row key={token.id} token={token} />
				))}
			</ul>
			{roles.length > 0 && <h2>New token</h2>}
			{roles.length > 0 && <NewToken {...form} roles={roles} />}
		</section>
	);
}

function Created({ created, server }: { created: CreatedToken; server: string }) {
	return (
		<div class="card is-ok">
			<p>
				<strong>{`The token ${created.name} is shown once.`}</strong> Keep it where secrets are kept:
			</p>
			<pre class="token">{`export WINDLASS_SERVER=${server}\nexport WINDLASS_API_TOKEN=${created.token}`}</pre>
		</div>
	);
}

function Row({ token }: { token: Token }) {
	const { id, kind, name, role, projects, created_by, created_at, expires_at, last_used, is_current } = token;
	return (
		<li class="row token">
			<span class="grow">
				<b>{name}</b>
				{` · ${role} · ${projects === null ? "all projects" : projects.join(", ")}`}
				{is_current && <span class="soft"> · this session</span>}
				<br />
				<span class="soft">
					{last_used === null ? "never used" : `last used on ${last_used.on} from ${last_used.from}`}
					{expires_at === null ? " · does not expire" : ` · until ${readable(expires_at)}`}
					{" · created "}
					<Ago at={created_at} />
					{` by ${created_by}`}
				</span>
			</span>
			{kind !== "admin" && (
				<PostForm action={`/tokens/${id}/revoke`}>
					<button type="submit" class="danger">
						Revoke
					</button>
				</PostForm>
			)}
		</li>
	);
}

function NewToken({ fields, errors, message, roles }: TokenForm & { roles: readonly Role[] }) {
	return (
		<PostForm action="/tokens" class="form">
			{message && <p class="reason">{message}</p>}
			<ValidationErrors errors={errors} />
			<label>
				Name <span class="soft">– who acts with it, such as deploy-bot</span>
				<input name="name" value={fields.name} required />
			</label>
			<label>
				Role
				<select name="role">
					{roles.map((role) => (
						<option key={role} value={role} selected={role === fields.role}>
							{role}
						</option>
					))}
				</select>
			</label>
			<label>
				Projects <span class="soft">– separated by commas. Empty: all projects, which an admin may choose</span>
				<input name="projects" value={fields.projects} placeholder="web, api" />
			</label>
			<label>
				Valid for <span class="soft">– at most a year</span>
				<input name="expires_in" value={fields.expires_in} placeholder="90d" required />
			</label>
			<button type="submit">Create token</button>
		</PostForm>
	);
}
