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
import { Faults } from "../../ui/validation_errors.tsx";
import { Ago, size } from "../../ui/words.tsx";

/** What the form of a registration token holds, as it was filled in. */
export type TokenFields = Record<"uses" | "expires_in" | "labels" | "projects" | "runs", string>;

export interface TokenForm {
	fields: TokenFields;
	errors: readonly FieldError[];
	message: string | null;
	/** The token that was created just now: this page alone shows it. */
	created: RegistrationToken | null;
}

interface AgentsPageProps {
	agents: readonly Agent[];
	tokens: readonly RegistrationTokenSummary[];
	form: TokenForm;
}

/** All agents, what they run, and the tokens with which others join. */
export function AgentsPage({ agents, tokens, form }: AgentsPageProps) {
	return (
		<>
			{form.created && <CreatedToken created={form.created} />}
			<section id="agents" data-refresh>
				<h1>Agents</h1>
				{agents.length === 0 && <p class="empty">No agents yet. Make a registration token below, and start one with it.</p>}
				{agents.map((agent) => (
					<AgentCard key={agent.id} agent={agent} isLinked />
				))}
			</section>
			<section id="agent-tokens" data-refresh>
				<h2>Registration tokens</h2>
				{tokens.length === 0 && <p class="empty">None.</p>}
				{tokens.map((token) => (
					<TokenCard key={token.id} token={token} />
				))}
			</section>
			<h2>New registration token</h2>
			<NewTokenForm {...form} />
		</>
	);
}

/** One agent, and all that can be done with it. */
export function AgentPage({ agent, errors }: { agent: Agent; errors: readonly FieldError[] }) {
	return (
		<>
			<h1>{agent.name}</h1>
			<div id="agent" data-refresh>
				<AgentCard agent={agent} isLinked={false} />
			</div>
			<h2>Which jobs it may take</h2>
			<form method="post" action={`/agents/${agent.id}/restrict`} class="new-run">
				<Faults faults={errors} />
				<RestrictionFields projects={agent.projects.join(", ")} runs={agent.runs} />
				<button type="submit">Save</button>
			</form>
			<h2>Remove</h2>
			<form method="post" action={`/agents/${agent.id}/remove`}>
				<p>Its token is invalid at once. What it runs is lost, and retried elsewhere.</p>
				<button type="submit" class="danger">
					Remove agent
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
				<p class="reason">{`It declares ${ignored_labels.join(", ")}, which its registration token does not give: ignored.`}</p>
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
				<dt>Takes</dt>
				<dd>{describeRestriction(agent) ?? <span class="muted">every job</span>}</dd>
				<dt>Machine</dt>
				<dd>
					<Capabilities of={capabilities} />
				</dd>
				<dt>Last heard</dt>
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
			{drain && status !== "offline" && <div class="small odd">{`ends when idle, asked by ${drain.by}`}</div>}
			{rotation && <div class="small muted">{`is to rotate its token, asked by ${rotation.by}`}</div>}
		</div>
	);
}

/** What can be done with an agent at once. What cannot be undone is on its own page. */
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
						{disabled ? "Cancel what runs" : "Disable and cancel what runs"}
					</button>
				</form>
			)}
			{status === "online" && !drain && <Button action={`${path}/drain`} text="OutboxRelay" />}
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
				<dd>{labels.length > 0 ? <Labels of={labels} /> : <span class="muted">those that its agents declare</span>}</dd>
				<dt>Takes</dt>
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
			<Faults faults={errors} />
			<label>
				Labels <span class="muted">– with commas between; agents may declare no others. Without any, those count that they declare</span>
				<input name="labels" value={fields.labels} placeholder="prod, gpu" />
			</label>
			<RestrictionFields projects={fields.projects} runs={fields.runs as RunTrust} />
			<label>
				Uses <span class="muted">– how many agents may join with it</span>
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
				Projects <span class="muted">– with commas between; without any, every project</span>
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

/** What the machine has that jobs may ask for. */
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
