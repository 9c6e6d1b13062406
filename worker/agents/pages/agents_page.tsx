import { describeRestriction, type RegistrationTokenSummary } from "../../../schema/wire/agents.ts";
import type { FieldError } from "../../../schema/wire/errors.ts";
import type { Agent } from "../../../schema/wire/resources.ts";
import { agentState, shownState } from "../../../schema/wire/state_words.ts";
import { mayReaderPost, Part } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";
import { Ago, Mark, State, size, Took } from "../../ui/words.tsx";
import type { PastAttempt } from "../history.ts";
import { CreatedToken, Labels, NewTokenForm, type TokenForm, Tokens } from "./registration_tokens.tsx";
import { RestrictionFields } from "./restriction_fields.tsx";

interface AgentsPageProps {
	agents: readonly Agent[];
	/** The address of this coordinator, for the command that starts an agent. */
	server: string;
	tokens: readonly RegistrationTokenSummary[];
	form: TokenForm;
}

/** All agents with their running jobs: first those that need a look. */
export function AgentsPage({ agents, tokens, form, server }: AgentsPageProps) {
	const sorted = [...agents].sort((a, b) => urgencyOf(a) - urgencyOf(b));
	return (
		<>
			{form.created && <CreatedToken created={form.created} server={server} />}
			<section>
				<h1>Agents</h1>
				{agents.length === 0 && <p class="empty">No agents yet. Create a registration token below, and start an agent with it.</p>}
				<Part id="agents" class="cards wide" data-list>
					{sorted.map((agent) => (
						<AgentCard key={agent.id} agent={agent} />
					))}
				</Part>
			</section>
			{mayReaderPost("/agents") && (
				<>
					<Part id="agent-tokens" as="section">
						<h2>Registration tokens</h2>
						<Tokens tokens={tokens} />
					</Part>
					<h2>New registration token</h2>
					<NewTokenForm {...form} />
				</>
			)}
		</>
	);
}

const URGENT = ["lost", "draining", "disabled", "online"];

function urgencyOf(agent: Agent): number {
	const place = URGENT.indexOf(agentState(agent));
	return place === -1 ? URGENT.length : place;
}

interface AgentPageProps {
	agent: Agent;
	/** Its newest attempts, newest first. */
	history: readonly PastAttempt[];
	errors: readonly FieldError[];
}

/** One agent: what it runs now and ran before, its machine, and its actions. */
export function AgentPage({ agent, history, errors }: AgentPageProps) {
	const { capabilities, facts, registered_at } = agent;
	return (
		<>
			<nav class="crumbs" aria-label="Breadcrumb">
				<a href="/agents">Agents</a> › {agent.name}
			</nav>
			<Part id="agent">
				<div class="title">
					<h1>{agent.name}</h1>
					<AgentState agent={agent} />
				</div>
				<AgentFacts agent={agent} />
				<AgentButtons agent={agent} isWhole />
				<h2>Running now</h2>
				<Running agent={agent} />
			</Part>
			<h2>History</h2>
			<History attempts={history} />
			<h2>Machine</h2>
			<dl class="pairs">
				<dt>Capabilities</dt>
				<dd>
					<Capabilities of={capabilities} />
				</dd>
				{Object.entries(facts).map(([name, value]) => (
					<>
						<dt>{name}</dt>
						<dd>{value}</dd>
					</>
				))}
				<dt>Version</dt>
				<dd>{agent.version || "unknown"}</dd>
				<dt>Registered</dt>
				<dd>
					<Ago at={registered_at} />
				</dd>
			</dl>
			<h2>Allowed jobs</h2>
			<PostForm action={`/agents/${agent.id}/restrict`} class="form">
				<ValidationErrors errors={errors} />
				<RestrictionFields projects={agent.projects.join(", ")} runs={agent.runs} />
				<button type="submit">Save</button>
			</PostForm>
			<h2>Delete</h2>
			<PostForm action={`/agents/${agent.id}/remove`}>
				<p>Its token becomes invalid at once. Its running jobs are lost and retried on other agents.</p>
				<button type="submit" class="danger">
					Delete agent
				</button>
			</PostForm>
		</>
	);
}

function AgentCard({ agent }: { agent: Agent }) {
	const { id, name, running } = agent;
	const state = agentState(agent);
	const isNotable = state !== "online" && state !== "offline";
	return (
		<Part id={`a-${id}`} as="article" class={`card${isNotable ? ` is-${shownState(state).tone}` : ""}`}>
			<div class="row">
				<a class="first grow cut" href={`/agents/${id}`}>
					<b>{name}</b>
				</a>
				<AgentState agent={agent} />
			</div>
			<AgentFacts agent={agent} />
			{running.length > 0 && <Running agent={agent} />}
			<AgentButtons agent={agent} />
		</Part>
	);
}

/** What an agent takes, and how much of it is in use. */
function AgentFacts({ agent }: { agent: Agent }) {
	const { running, slots, labels, ignored_labels, last_seen_at, version } = agent;
	const restriction = describeRestriction(agent);
	return (
		<>
			<p class="soft">
				{`${running.length} of ${slots} ${slots === 1 ? "slot" : "slots"} in use · `}
				{labels.length > 0 ? <Labels of={labels} /> : "no labels"}
				{restriction !== null && ` · takes ${restriction}`}
				{` · ${version} · seen `}
				{last_seen_at === null ? "never" : <Ago at={last_seen_at} />}
			</p>
			{ignored_labels.length > 0 && (
				<p class="reason">{`The labels ${ignored_labels.join(", ")} are ignored, because its registration token does not allow them.`}</p>
			)}
		</>
	);
}

function Running({ agent: { running } }: { agent: Agent }) {
	if (running.length === 0) return <p class="soft">Nothing.</p>;
	return (
		<ul class="plain">
			{running.map((one) => (
				<li key={one.job_id} class="row">
					<span class="state run">
						<Mark state="running" />
					</span>
					<a class="grow cut" href={`/jobs/${one.job_id}`}>
						{one.job_name}
					</a>
					<Took from={one.started_at} to={null} />
				</li>
			))}
		</ul>
	);
}

function History({ attempts }: { attempts: readonly PastAttempt[] }) {
	if (attempts.length === 0) return <p class="soft">None of the newest attempts ran here.</p>;
	return (
		<ul class="list" data-list>
			{attempts.map((one) => (
				<li key={one.id} class="item">
					<State state={one.state} />
					<a class="first cut" href={`/jobs/${one.job_id}?attempt=${one.number}`}>
						<b>{one.job}</b> {`${one.project} #${one.run_number}`}
					</a>
					<span class="source cut soft">{one.reason}</span>
					<span class="when right soft">
						<Ago at={one.started_at} />
					</span>
					<span class="took right">
						<Took from={one.started_at} to={one.finished_at} />
					</span>
				</li>
			))}
		</ul>
	);
}

function AgentState({ agent }: { agent: Agent }) {
	const { disabled, drain, rotation } = agent;
	const state = agentState(agent);
	const by = state === "disabled" ? disabled?.by : state === "draining" ? drain?.by : undefined;
	return (
		<span class="right">
			<State state={state} />
			{by !== undefined && <span class="soft small">{` by ${by}`}</span>}
			{rotation && <span class="soft small">{` token rotation requested by ${rotation.by}`}</span>}
		</span>
	);
}

/** The actions of an agent. Those that need some thought are on its own page. */
function AgentButtons({ agent: { id, status, disabled, drain, rotation, running }, isWhole = false }: { agent: Agent; isWhole?: boolean }) {
	const path = `/agents/${id}`;
	return (
		<div class="row buttons">
			{disabled ? (
				<Button action={`${path}/enable`} text="Enable" />
			) : (
				<PostForm action={`${path}/disable`}>
					<button type="submit" name="running" value="finish">
						Disable
					</button>
				</PostForm>
			)}
			{isWhole && running.length > 0 && (
				<PostForm action={`${path}/disable`}>
					<button type="submit" name="running" value="cancel" class="danger">
						{disabled ? "Cancel its jobs" : "Disable and cancel its jobs"}
					</button>
				</PostForm>
			)}
			{status === "online" && !drain && <Button action={`${path}/drain`} text="Drain" />}
			{isWhole && !rotation && <Button action={`${path}/rotate`} text="Rotate token" />}
		</div>
	);
}

function Button({ action, text }: { action: string; text: string }) {
	return (
		<PostForm action={action}>
			<button type="submit">{text}</button>
		</PostForm>
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
		<details class="soft small">
			<summary>
				{[...facts, of.looking_for.length > 0 ? `still looking for ${of.looking_for.join(", ")}` : `${tools.length} tools`].join(" · ")}
			</summary>
			{tools.map(([tool, version]) => `${tool} ${version}`).join(", ")}
		</details>
	);
}
