import { describeRestriction, type RegistrationToken, type RegistrationTokenSummary, type RunTrust } from "../../../schema/wire/agents.ts";
import type { FieldError } from "../../../schema/wire/errors.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";
import { Ago, readable } from "../../ui/words.tsx";
import { RestrictionFields } from "./restriction_fields.tsx";

/** The values of the form of a registration token. */
export type TokenFields = Record<"uses" | "expires_in" | "labels" | "projects" | "runs", string>;

export interface TokenForm {
	fields: TokenFields;
	errors: readonly FieldError[];
	message: string | null;
	/** The new token: only this page shows it. */
	created: RegistrationToken | null;
}

/** The command that starts an agent with the token. */
export function CreatedToken({ created, server }: { created: RegistrationToken; server: string }) {
	return (
		<div class="card is-ok">
			<p>
				<strong>The token is shown once.</strong> Start an agent with it, on any machine that reaches this address:
			</p>
			<pre class="token">{`WINDLASS_TOKEN=${created.token} windlass agent --server ${server}`}</pre>
		</div>
	);
}

/** Tokens that agents can still use, and behind a line the others. */
export function Tokens({ tokens }: { tokens: readonly RegistrationTokenSummary[] }) {
	const usable = tokens.filter(({ uses_left }) => uses_left > 0);
	const used = tokens.filter(({ uses_left }) => uses_left === 0);
	return (
		<>
			{usable.length === 0 ? <p class="empty">No token that an agent could use.</p> : <TokenList tokens={usable} />}
			{used.length > 0 && (
				<details>
					<summary class="soft">{`${used.length} used`}</summary>
					<TokenList tokens={used} />
				</details>
			)}
		</>
	);
}

function TokenList({ tokens }: { tokens: readonly RegistrationTokenSummary[] }) {
	return (
		<ul class="list">
			{tokens.map((token) => {
				const { id, uses, uses_left, labels, created_by, created_at, expires_at } = token;
				return (
					<li key={id} class="row token">
						<span class="grow">
							<code>{id}</code>{" "}
							{labels.length > 0 ? <Labels of={labels} /> : <span class="soft">the labels that its agents declare, </span>}
							{describeRestriction(token) ?? "every job"}
							<span class="soft">
								{` · ${uses_left} of ${uses} uses left · until ${readable(expires_at)} · created `}
								<Ago at={created_at} />
								{` by ${created_by}`}
							</span>
						</span>
						<PostForm action={`/agent-tokens/${id}/revoke`}>
							<button type="submit" class="danger">
								Revoke
							</button>
						</PostForm>
					</li>
				);
			})}
		</ul>
	);
}

export function NewTokenForm({ fields, errors, message }: TokenForm) {
	return (
		<PostForm action="/agents" class="form">
			{message && <p class="reason">{message}</p>}
			<ValidationErrors errors={errors} />
			<label>
				Labels <span class="soft">– separated by commas; agents may declare no others. Empty: any labels</span>
				<input name="labels" value={fields.labels} placeholder="prod, gpu" />
			</label>
			<RestrictionFields projects={fields.projects} runs={fields.runs as RunTrust} />
			<label>
				Uses <span class="soft">– how many agents may register with it</span>
				<input name="uses" value={fields.uses} inputMode="numeric" />
			</label>
			<label>
				Valid for <span class="soft">– at most 90d</span>
				<input name="expires_in" value={fields.expires_in} placeholder="1h" />
			</label>
			<button type="submit">Create token</button>
		</PostForm>
	);
}

export function Labels({ of }: { of: readonly string[] }) {
	return (
		<>
			{of.map((label) => (
				<code key={label}>{label} </code>
			))}
		</>
	);
}
