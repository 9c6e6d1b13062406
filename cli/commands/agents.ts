import { Command, Option } from "commander";
import { type DisableRequest, describeRestriction, RUN_TRUST } from "../../schema/wire/agents.ts";
import { notFound } from "../../schema/wire/errors.ts";
import type { Agent, Page } from "../../schema/wire/resources.ts";
import { agentState } from "../../schema/wire/state_words.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection } from "../connection.ts";
import { ago, counted, paint, print, printJson, stateText, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags, nameList } from "./command.ts";

/** `windlass agents`: the agents, and changes of them. */

interface RestrictFlags extends Flags {
	projects?: string;
	allProjects?: boolean;
	runs?: string;
}

const AGENTS = "/api/v1/agents";
const addressOf = ({ id }: Agent) => `${AGENTS}/${id}`;

async function allAgents(connection: Connection): Promise<Agent[]> {
	return (await connection.json<Page<Agent>>(AGENTS)).items;
}

/** @throws ApiError `not_found` */
async function findAgent(connection: Connection, nameOrId: string): Promise<Agent> {
	const found = (await allAgents(connection)).find(({ id, name }) => id === nameOrId || name === nameOrId);
	if (!found) throw notFound("agent", nameOrId);
	return found;
}

const stateOf = (agent: Agent) => stateText(agentState(agent));

function listText(agents: readonly Agent[]): string {
	const rows = agents.map((agent) => [
		agent.name,
		stateOf(agent),
		`${agent.running.length} of ${agent.slots}`,
		agent.labels.join(", ") || "–",
		describeRestriction(agent) ?? "every job",
		ago(agent.last_seen_at),
	]);
	return table([["agent", "state", "slots used", "labels", "takes", "last seen"], ...rows]);
}

function showText(agent: Agent): string {
	const { id, name, version, labels, ignored_labels, disabled, drain, rotation, rotated_at, running, slots } = agent;
	const rows = [
		["agent", name],
		["id", id],
		["state", stateOf(agent)],
		["version", version || "–"],
		["slots used", `${running.length} of ${slots}`],
		["labels", labels.join(", ") || "–"],
		...(ignored_labels.length > 0
			? [["ignored labels", paint("yellow", `${ignored_labels.join(", ")} (its registration token does not allow them)`)]]
			: []),
		["takes", describeRestriction(agent) ?? "every job"],
		...(disabled ? [["disabled", `by ${disabled.by}, ${ago(disabled.at)}`]] : []),
		...(drain ? [["drain", `requested by ${drain.by}, ${ago(drain.at)}`]] : []),
		...(rotation ? [["rotation", `requested by ${rotation.by}, ${ago(rotation.at)}; not done yet`]] : []),
		...(rotated_at ? [["token", `rotated ${ago(rotated_at)}`]] : []),
		["registered", ago(agent.registered_at)],
		["last seen", ago(agent.last_seen_at)],
		...running.map(({ job_name, job_id }) => ["running", `${job_name} (${job_id})`]),
	];
	return table(rows);
}

function printAgent(agent: Agent, output: string, text: string): void {
	if (output === "json") printJson(agent);
	else print(text);
}

/** A command that changes one agent. @param send sends the change */
function changing<Given extends Flags>(
	name: string,
	description: string,
	example: string,
	send: (connection: Connection, agent: Agent, flags: Given) => Promise<Agent>,
	text: (agent: Agent) => string,
): Command {
	return command(name, description, example)
		.argument("<agent>", "the name or id of the agent")
		.action(async (nameOrId: string, flags: Given) => {
			const connection = new Connection(flags);
			const changed = await send(connection, await findAgent(connection, nameOrId), flags);
			printAgent(changed, flags.output, text(changed));
		});
}

const posting =
	(verb: "enable" | "drain" | "rotate") =>
	(connection: Connection, agent: Agent): Promise<Agent> =>
		connection.json<Agent>(`${addressOf(agent)}/${verb}`, { method: "POST", json: {} });

export function agentsCommand(): Command {
	return new Command("agents")
		.description("Show and manage the agents.")
		.addHelpText("after", "\nExample:\n  windlass agents restrict builder-1 --projects web,api --runs trusted")
		.addCommand(
			command("list", "List the agents.", "windlass agents list")
				.alias("ls")
				.action(async (flags: Flags) => {
					const agents = await allAgents(new Connection(flags));
					if (flags.output === "json") printJson(agents);
					else
						print(
							agents.length > 0
								? listText(agents)
								: "There is no agent yet. Make a registration token for one: windlass agent-tokens create",
						);
				}),
			{ isDefault: true },
		)
		.addCommand(
			command("show", "Show one agent.", "windlass agents show builder-1")
				.argument("<agent>", "the name or id of the agent")
				.action(async (nameOrId: string, flags: Flags) => {
					const agent = await findAgent(new Connection(flags), nameOrId);
					printAgent(agent, flags.output, showText(agent));
				}),
		)
		.addCommand(
			changing<Flags & { cancel?: boolean }>(
				"disable",
				"Let an agent take no new jobs until it is enabled. It finishes its running jobs.",
				"windlass agents disable builder-1 --cancel",
				(connection, agent, { cancel }) => {
					const json: DisableRequest = { running: cancel ? "cancel" : "finish" };
					return connection.json<Agent>(`${addressOf(agent)}/disable`, { method: "POST", json });
				},
				({ name, running }) => `Agent ${name} is disabled${running.length > 0 ? `; ${counted(running.length, "job")} still running` : ""}.`,
			).option("--cancel", "cancel its running jobs"),
		)
		.addCommand(
			changing(
				"enable",
				"Let a disabled agent take jobs again.",
				"windlass agents enable builder-1",
				posting("enable"),
				({ name }) => `Agent ${name} is enabled.`,
			),
		)
		.addCommand(
			changing(
				"drain",
				"Let the process of an agent finish its running jobs and end. Its next process takes jobs again, unless the agent is disabled.",
				"windlass agents drain builder-1",
				posting("drain"),
				({ name, running }) => `Agent ${name} ends when its running jobs have ended (${counted(running.length, "job")} running).`,
			),
		)
		.addCommand(
			changing(
				"rotate",
				"Give an agent a new token. The former one is invalid once the agent uses the new one.",
				"windlass agents rotate builder-1",
				posting("rotate"),
				({ name }) => `Agent ${name} gets a new token as soon as it is connected.`,
			),
		)
		.addCommand(restrictCommand())
		.addCommand(removeCommand());
}

function restrictCommand(): Command {
	return changing<RestrictFlags>(
		"restrict",
		"Restrict the jobs that an agent takes. A restriction that is not named stays.",
		"windlass agents restrict builder-1 --projects web,api --runs trusted",
		(connection, agent, flags) => connection.json<Agent>(addressOf(agent), { method: "PATCH", json: restrictionOf(flags) }),
		(agent) => `Agent ${agent.name} takes ${describeRestriction(agent) ?? "every job"}.`,
	)
		.option("--projects <names>", "only jobs of these projects, separated by commas")
		.addOption(new Option("--all-projects", "jobs of every project").conflicts("projects"))
		.addOption(new Option("--runs <which>", "only trusted runs, only untrusted runs (forks), or any").choices(RUN_TRUST));
}

function restrictionOf({ projects, allProjects, runs }: RestrictFlags): object {
	if (projects === undefined && !allProjects && runs === undefined)
		throw new UsageError("Name a restriction to change: --projects, --all-projects or --runs");
	return {
		...(projects === undefined ? {} : { projects: nameList("--projects", projects) }),
		...(allProjects ? { projects: [] } : {}),
		...(runs === undefined ? {} : { runs }),
	};
}

function removeCommand(): Command {
	return command(
		"remove",
		"Remove an agent. Its token is invalid at once, and other agents retry its running jobs.",
		"windlass agents remove builder-1 --yes",
	)
		.alias("rm")
		.argument("<agent>", "the name or id of the agent")
		.option(...YES)
		.action(async (nameOrId: string, flags: Flags & ConfirmedFlags) => {
			const connection = new Connection(flags);
			const agent = await findAgent(connection, nameOrId);
			const { name, running } = agent;
			const jobs = running.map(({ job_name }) => job_name).join(", ");
			await confirm(`Remove agent ${name}${jobs === "" ? "" : ` with its running jobs ${jobs}`}`, flags);
			await connection.send(addressOf(agent), { method: "DELETE" });
			if (flags.output === "json") printJson({ removed: name });
			else print(`Agent ${name} is removed.`);
		});
}
