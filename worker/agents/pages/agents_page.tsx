import {
	describeRestriction,
	type RegistrationToken,
	type RegistrationTokenSummary,
	type Restriction,
	RUN_TRUST,
	type RunTrust,
} from "../../../schema/wire/agents.ts";
import type { FieldError } from "../../../schema/wire/errors.ts";
import type { Agent } from "../../../schema/wire/resources.ts";
import { ValidationErrors } from "../../ui/validation_errors.tsx";
import { Ago, size } from "../../ui/words.tsx";

/** The values of the form of a registration token. */
export type TokenFields = Record<"uses" | "expires_in" | "labels" | "projects" | "runs", string>;

export interface TokenForm {
	fields: TokenFields;
	errors: readonly FieldError[];
	message: string | null;
	/** The new token: only this page shows it. */
	created: RegistrationToken | null;
}

interface AgentsPageProps {
	agents: readonly Agent[];
	tokens: readonly RegistrationTokenSummary[];
	form: TokenForm;
}

/** All agents with their running jobs, and the registration tokens. */
export function AgentsPage({ agents, tokens, form }: AgentsPageProps) {
	return (
		<>
			{form.created && <CreatedToken created={form.created} />}
			<section id="agents" data-refresh>
				<h1>Agents</h1>
				{agents.length === 0 && <p class="empty">No agents yet. Create a registration token below, and start an agent with it.</p>}
				{agents.map((agent) => (
					<AgentCard key={agent.id} agent={agent} isLinked />
				))}
			</section>
			<section id="agent-tokens" data-refresh>
				<h2>Registration tokens</h2>
				{tokens.length === 0 && <p class="empty">No registration tokens.</p>}
				{tokens.map((token) => (
					<TokenCard key={token.id} token={token} />
				))}
			</section>
			<h2>New registration token</h2>
			<NewTokenForm {...form} />
		</>
	);
}

/** One agent with its actions. */
export function AgentPage({ agent, errors }: { agent: Agent; errors: readonly FieldError[] }) {
	return (
		<>
			<h1>{agent.name}</h1>
			<div id="agent" data-refresh>
				<AgentCard agent={agent} isLinked={false} />
			</div>
			<h2>Allowed jobs</h2>
			<form method="post" action={`/agents/${agent.id}/restrict`} class="new-run">
				<ValidationErrors errors={errors} />
				<RestrictionFields projects={agent.projects.join(", ")} runs={agent.runs} />
				<button type="submit">Save</button>
			</form>
			<h2>Delete</h2>
			<form method="post" action={`/agents/${agent.id}/remove`}>
				<p>Its token becomes invalid at once. Its running jobs are lost and retried on other agents.</p>
				<button type="submit" class="danger">
					Delete agent
				</button>
			</form>
		</>
	);
}

function AgentCard({ agent, isLinked }: { agent: Agent; isLinked: boolean }) {
	const { id, name, version, running, slots, labels, ignored_labels, last_seen_at, capabilities } = agent;
	return (
		<article class="card">
			<div class="title">
				<div>
					{isLinked && (
						<a href={`/agents/${id}`}>
							<strong>{name}</strong>
						</a>
					)}{" "}
					<span class="muted small">{version}</span>
				</div>
				<AgentState agent={agent} />
			</div>
			{ignored_labels.length > 0 && (
				<p class="reason">{`The labels ${ignored_labels.join(", ")} are ignored, because its registration token does not allow them.`}</p>
			)}
			<dl class="pairs">
				<dt>Runs</dt>
				<dd>
					{running.map((one) => (
						<div key={one.job_id}>
							<a href={`/jobs/${one.job_id}`}>{one.job_name}</a>
						</div>
					))}
					<span class="muted">{`${running.length} of ${slots} ${slots === 1 ? "slot" : "slots"}`}</span>
				</dd>
				<dt>Labels</dt>
				<dd>{labels.length > 0 ? <Labels of={labels} /> : <span class="muted">none</span>}</dd>
				<dt>Claims</dt>
				<dd>{describeRestriction(agent) ?? <span class="muted">every job</span>}</dd>
				<dt>Machine</dt>
				<dd>
					<Capabilities of={capabilities} />
				</dd>
				<dt>Last seen</dt>
				<dd>{last_seen_at === null ? "never" : <Ago at={last_seen_at} />}</dd>
			</dl>
			<AgentButtons agent={agent} />
		</article>
	);
}

function AgentState({ agent: { status, disabled, drain, rotation } }: { agent: Agent }) {
	return (
		<div class="right">
			<span class={`state ${status}`}>{status}</span>
			{disabled && <div class="small odd">{`disabled by ${disabled.by}`}</div>}
			{drain && status !== "offline" && <div class="small odd">{`draining, requested by ${drain.by}`}</div>}
			{rotation && <div class="small muted">{`token rotation requested by ${rotation.by}`}</div>}
		</div>
	);
}

/** The actions of an agent. Actions that cannot be undone are on its own page. */
function AgentButtons({ agent: { id, status, disabled, drain, rotation, running } }: { agent: Agent }) {
	const path = `/agents/${id}`;
	return (
		<div class="actions">
			{disabled ? (
				<Button action={`${path}/enable`} text="Enable" />
			) : (
				<form method="post" action={`${path}/disable`}>
					<button type="submit" name="running" value="finish">
						Disable
					</button>
				</form>
			)}
			{running.length > 0 && (
				<form method="post" action={`${path}/disable`}>
					<button type="submit" name="running" value="cancel" class="danger">
						{disabled ? "Cancel its jobs" : "Disable and cancel its jobs"}
					</button>
				</form>
			)}
			{status === "online" && !drain && <Button action={`${path}/drain`} text="Drain" />}
			{!rotation && <Button action={`${path}/rotate`} text="Rotate token" />}
		</div>
	);
}

function Button({ action, text }: { action: string; text: string }) {
	return (
		<form method="post" action={action}>
			<button type="submit">{text}</button>
		</form>
	);
}

function Labels({ of }: { of: readonly string[] }) {
	return (
		<>
			{of.map((label) => (
				<code key={label}>{label} </code>
			))}
		</>
	);
}

function CreatedToken({ created }: { created: RegistrationToken }) {
	return (
		<div class="card">
			<p>
				<strong>The token is shown once.</strong> Start an agent with it in <code>WINDLASS_TOKEN</code>:
			</p>
			<pre class="token">{created.token}</pre>
		</div>
	);
}

function TokenCard({ token }: { token: RegistrationTokenSummary }) {
	const { id, uses, uses_left, labels, created_by, created_at, expires_at } = token;
	return (
		<article class="card">
			<div class="title">
				<code>{id}</code>
				<form method="post" action={`/agent-tokens/${id}/revoke`}>
					<button type="submit" class="danger">
						Revoke
					</button>
				</form>
			</div>
			<dl class="pairs">
				<dt>Labels</dt>
				<dd>{labels.length > 0 ? <Labels of={labels} /> : <span class="muted">the labels that its agents declare</span>}</dd>
				<dt>Claims</dt>
				<dd>{describeRestriction(token) ?? <span class="muted">every job</span>}</dd>
				<dt>Uses left</dt>
				<dd>{`${uses_left} of ${uses}`}</dd>
				<dt>Created</dt>
				<dd>
					<Ago at={created_at} /> by {created_by}
				</dd>
				<dt>Expires</dt>
				<dd>
					<time dateTime={expires_at}>{expires_at.slice(0, 16).replace("T", " ")} UTC</time>
				</dd>
			</dl>
		</article>
	);
}

function NewTokenForm({ fields, errors, message }: TokenForm) {
	return (
		<form method="post" action="/agents" class="new-run">
			{message && <p class="reason">{message}</p>}
			<ValidationErrors errors={errors} />
			<label>
				Labels <span class="muted">– separated by commas; agents may declare no others. Empty: any labels</span>
				<input name="labels" value={fields.labels} placeholder="prod, gpu" />
			</label>
			<RestrictionFields projects={fields.projects} runs={fields.runs as RunTrust} />
			<label>
				Uses <span class="muted">– how many agents may register with it</span>
				<input name="uses" value={fields.uses} inputMode="numeric" />
			</label>
			<label>
				Valid for <span class="muted">– at most 90d</span>
				<input name="expires_in" value={fields.expires_in} placeholder="1h" />
			</label>
			<button type="submit">Create token</button>
		</form>
	);
}

const TRUST_WORDS: Record<RunTrust, string> = {
	any: "all runs",
	trusted: "only trusted runs, none from a fork",
	untrusted: "only runs from forks",
};

function RestrictionFields({ projects, runs }: { projects: string; runs: Restriction["runs"] }) {
	return (
		<>
			<label>
				Projects <span class="muted">– separated by commas; empty: every project</span>
				<input name="projects" value={projects} placeholder="web, api" />
			</label>
			<label>
				Runs
				<select name="runs">
					{RUN_TRUST.map((one) => (
						<option key={one} value={one} selected={one === runs}>
							{TRUST_WORDS[one]}
						</option>
					))}
				</select>
			</label>
		</>
	);
}

/** The capabilities of the machine that jobs may require. */
function Capabilities({ of }: { of: Agent["capabilities"] }) {
	const facts = [
		of.cores > 0 && `${of.cores} cores`,
		of.memory > 0 && size(of.memory),
		of.disk > 0 && `${size(of.disk)} free`,
		of.container,
		...of.gpus,
	].filter(Boolean);
	const tools = Object.entries(of.tools);
	return (
		<details class="muted small">
			<summary>
				{[...facts, of.looking_for.length > 0 ? `still looking for ${of.looking_for.join(", ")}` : `${tools.length} tools`].join(" · ")}
			</summary>
			{tools.map(([tool, version]) => `${tool} ${version}`).join(", ")}
		</details>
	);
}
