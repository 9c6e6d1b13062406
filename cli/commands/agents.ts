import { Command, Option } from "commander";
import { type DisableRequest, describeRestriction, RUN_TRUST } from "../../schema/wire/agents.ts";
import { notFound } from "../../schema/wire/errors.ts";
import type { Agent, Page } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { ago, paint, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, listOf } from "./command.ts";

/** `windlass agents`: who runs jobs, and what may be done with them. */

interface Flags extends ConnectionFlags {
	output: string;
}

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

/** What it does, in a word; what people have asked of it counts more. */
function stateOf({ status, disabled, drain }: Agent): string {
	if (disabled) return paint("yellow", status === "offline" ? "disabled, offline" : "disabled");
	if (status === "draining" || (drain && status === "online")) return paint("yellow", "draining");
	return status === "online" ? paint("green", "online") : paint("gray", "offline");
}

function listText(agents: readonly Agent[]): string {
	const rows = agents.map((agent) => [
		agent.name,
		stateOf(agent),
		`${agent.running.length} of ${agent.slots}`,
		agent.labels.join(", ") || "–",
		describeRestriction(agent) ?? "every job",
		ago(agent.last_seen_at),
	]);
	return table([["agent", "state", "slots used", "labels", "takes", "last heard"], ...rows]);
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
			? [["ignored", paint("yellow", `${ignored_labels.join(", ")} (declared, and not given by its registration token)`)]]
			: []),
		["takes", describeRestriction(agent) ?? "every job"],
		...(disabled ? [["disabled", `by ${disabled.by}, ${ago(disabled.at)}`]] : []),
		...(drain ? [["drain", `asked for by ${drain.by}, ${ago(drain.at)}`]] : []),
		...(rotation ? [["rotation", `asked for by ${rotation.by}, ${ago(rotation.at)}; not done yet`]] : []),
		...(rotated_at ? [["token", `rotated ${ago(rotated_at)}`]] : []),
		["registered", ago(agent.registered_at)],
		["last heard", ago(agent.last_seen_at)],
		...running.map(({ job_name, job_id }) => ["runs", `${job_name} (${job_id})`]),
	];
	return table(rows);
}

function printAgent(agent: Agent, output: string, text: string): void {
	if (output === "json") printJson(agent);
	else print(text);
}

/** A command that changes one agent. @param ask sends the change */
function changing<Given extends Flags>(
	name: string,
	description: string,
	example: string,
	ask: (connection: Connection, agent: Agent, flags: Given) => Promise<Agent>,
	text: (agent: Agent) => string,
): Command {
	return command(name, description, example)
		.argument("<agent>", "its name or id")
		.action(async (nameOrId: string, flags: Given) => {
			const connection = new Connection(flags);
			const changed = await ask(connection, await findAgent(connection, nameOrId), flags);
			printAgent(changed, flags.output, text(changed));
		});
}

const posting =
	(verb: "enable" | "drain" | "rotate") =>
	(connection: Connection, agent: Agent): Promise<Agent> =>
		connection.json<Agent>(`${addressOf(agent)}/${verb}`, { method: "POST", json: {} });

export function agentsCommand(): Command {
	return new Command("agents")
		.description("Agents: who runs jobs, and which jobs they may take.")
		.addHelpText("after", "\nExample:\n  windlass agents restrict builder-1 --projects web,api --runs trusted")
		.addCommand(
			command("list", "List the agents.", "windlass agents list")
				.alias("ls")
				.action(async (flags: Flags) => {
					const agents = await allAgents(new Connection(flags));
					if (flags.output === "json") printJson(agents);
					else print(agents.length > 0 ? listText(agents) : "There is none yet. Make a token: windlass agent-tokens create");
				}),
			{ isDefault: true },
		)
		.addCommand(
			command("show", "Show one agent.", "windlass agents show builder-1")
				.argument("<agent>", "its name or id")
				.action(async (nameOrId: string, flags: Flags) => {
					const agent = await findAgent(new Connection(flags), nameOrId);
					printAgent(agent, flags.output, showText(agent));
				}),
		)
		.addCommand(
			changing<Flags & { cancel?: boolean }>(
				"disable",
				"Give an agent no new jobs until it is enabled. It finishes what it runs.",
				"windlass agents disable builder-1 --cancel",
				(connection, agent, { cancel }) => {
					const json: DisableRequest = { running: cancel ? "cancel" : "finish" };
					return connection.json<Agent>(`${addressOf(agent)}/disable`, { method: "POST", json });
				},
				({ name, running }) => `${name} is disabled${running.length > 0 ? `; ${running.length} running` : ""}.`,
			).option("--cancel", "cancel what it runs"),
		)
		.addCommand(
			changing(
				"enable",
				"Give a disabled agent jobs again.",
				"windlass agents enable builder-1",
				posting("enable"),
				({ name }) => `${name} is enabled.`,
			),
		)
		.addCommand(
			changing(
				"drain",
				"Have the process of an agent finish what it runs, and end. Its next process takes jobs again, unless it is disabled.",
				"windlass agents drain builder-1",
				posting("drain"),
				({ name, running }) => `${name} ends once nothing runs (${running.length} running).`,
			),
		)
		.addCommand(
			changing(
				"rotate",
				"Have an agent get itself another token; the one before is then invalid.",
				"windlass agents rotate builder-1",
				posting("rotate"),
				({ name }) => `${name} gets itself another token as soon as it is connected.`,
			),
		)
		.addCommand(restrictCommand())
		.addCommand(removeCommand());
}

function restrictCommand(): Command {
	return changing<RestrictFlags>(
		"restrict",
		"Say which jobs an agent may take; what is not given stays.",
		"windlass agents restrict builder-1 --projects web,api --runs trusted",
		(connection, agent, flags) => connection.json<Agent>(addressOf(agent), { method: "PATCH", json: restrictionOf(flags) }),
		(agent) => `${agent.name} takes ${describeRestriction(agent) ?? "every job"}.`,
	)
		.option("--projects <names>", "only jobs of these projects, with commas between")
		.addOption(new Option("--all-projects", "jobs of every project").conflicts("projects"))
		.addOption(new Option("--runs <which>", "trusted: no run from a fork; untrusted: only those").choices(RUN_TRUST));
}

function restrictionOf({ projects, allProjects, runs }: RestrictFlags): object {
	if (projects === undefined && !allProjects && runs === undefined)
		throw new UsageError("nothing is to be changed: give --projects, --all-projects or --runs");
	return {
		...(projects === undefined ? {} : { projects: listOf("--projects", projects) }),
		...(allProjects ? { projects: [] } : {}),
		...(runs === undefined ? {} : { runs }),
	};
}

function removeCommand(): Command {
	return command(
		"remove",
		"Remove an agent: its token is invalid at once, and what it runs is retried elsewhere.",
		"windlass agents remove builder-1 --yes",
	)
		.alias("rm")
		.argument("<agent>", "its name or id")
		.option(...YES)
		.action(async (nameOrId: string, flags: Flags & ConfirmedFlags) => {
			const connection = new Connection(flags);
			const agent = await findAgent(connection, nameOrId);
			const { name, running } = agent;
			const what = running.length > 0 ? `${name}, which runs ${running.map(({ job_name }) => job_name).join(", ")}` : name;
			await confirm(`Remove ${what}`, flags);
			await connection.send(addressOf(agent), { method: "DELETE" });
			if (flags.output === "json") printJson({ removed: agent.name });
			else print(`${agent.name} is removed.`);
		});
}
