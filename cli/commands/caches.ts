import { Command } from "commander";
import { BUILD_TOOLS } from "../../schema/wire/build_caches.ts";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { REMOVAL_WORDS } from "../../schema/wire/cache_words.ts";
import type { Cache, CacheUsage } from "../../schema/wire/caches.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { type ConfirmedFlags, confirm, YES } from "../confirmation.ts";
import { Connection } from "../connection.ts";
import { ago, counted, paint, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass caches`: what the jobs of a project begin with. */

const PROJECT = ["<project>", "the name of the project"] as const;
const CACHE = ["[cache]", "the id of a cache (cch_…)"] as const;
const PAGE = 200;

interface RemoveFlags extends Flags, ConfirmedFlags {
	key?: string;
	tool?: string;
	all?: boolean;
}

const addressOf = (project: string) => `/api/v1/projects/${encodeURIComponent(project)}`;

async function allCaches(connection: Connection, project: string): Promise<Cache[]> {
	const caches: Cache[] = [];
	for (let cursor: string | null = ""; cursor !== null; ) {
		const query = new URLSearchParams({ limit: String(PAGE), ...(cursor === "" ? {} : { cursor }) });
		const page: Page<Cache> = await connection.json(`${addressOf(project)}/caches?${query}`);
		caches.push(...page.items);
		cursor = page.next_cursor;
	}
	return caches;
}

function usageText({ count, tools, bytes, quota, removed }: CacheUsage): string {
	const ofTools = tools.map((one) => `${counted(one.results, "result")} of ${one.tool} (${formatBytes(one.bytes)})`);
	const head = `${[counted(count, "cache"), ...ofTools].join(", ")}; ${formatBytes(bytes)} of ${formatBytes(quota)}`;
	const gone = removed.map(
		(one) => `  ${one.key} (${one.scope}, ${formatBytes(one.size)}) ${ago(one.removed_at)}: ${REMOVAL_WORDS[one.why]}`,
	);
	return gone.length === 0 ? head : `${head}\n\nremoved\n${gone.join("\n")}`;
}

export function cachesCommand(): Command {
	return new Command("caches")
		.description("List and remove the caches of a project.")
		.addHelpText("after", "\nExample:\n  windlass caches ls web\n  windlass caches rm web --key npm-")
		.addCommand(
			command("ls", "List the caches of a project, newest first.", "windlass caches ls web")
				.argument(...PROJECT)
				.action(async (project: string, flags: Flags) => {
					const connection = new Connection(flags);
					const caches = await allCaches(connection, project);
					if (flags.output === "json") return printJson(caches);
					const rows = caches.map((one) => [one.key, one.scope, formatBytes(one.size), String(one.hits), ago(one.last_used_at), one.id]);
					if (rows.length > 0) print(`${table([["key", "scope", "size", "hits", "used", "id"], ...rows])}\n`);
					print(usageText(await connection.json<CacheUsage>(`${addressOf(project)}/cache-usage`)));
				}),
		)
		.addCommand(
			command("show", "Show a cache.", "windlass caches show web cch_01JB…")
				.argument(...PROJECT)
				.argument("<cache>", CACHE[1])
				.action(async (project: string, id: string, flags: Flags) => {
					const one = await new Connection(flags).json<Cache>(`${addressOf(project)}/caches/${encodeURIComponent(id)}`);
					if (flags.output === "json") return printJson(one);
					const facts = [
						["scope", one.scope],
						["size", `${formatBytes(one.size)}, unpacked ${formatBytes(one.unpacked_bytes)} in ${counted(one.files, "file")}`],
						["hits", `${one.hits}, the last one ${ago(one.last_used_at)}`],
						["saved", `${ago(one.created_at)} by ${one.job_id}`],
					];
					print(`${paint("bold", one.key)}\n\n${table(facts)}`);
				}),
		)
		.addCommand(
			command("rm", "Remove a cache, those whose keys begin so, or all of a project.", "windlass caches rm web --key npm-")
				.argument(...PROJECT)
				.argument(...CACHE)
				.option("--key <beginning>", "the caches whose keys begin so")
				.option("--tool <name>", `the results of a build tool: ${BUILD_TOOLS.join(", ")}`)
				.option("--all", "every cache of the project, and all results of build tools")
				.option(...YES)
				.action(remove),
		);
}

/** Removes all results of build tools, and prints nothing. */
async function removeResults(connection: Connection, project: string, tools: readonly string[]): Promise<void> {
	for (const tool of tools) await connection.send(`${addressOf(project)}/build-caches/${tool}`, { method: "DELETE" });
}

async function removeTool(project: string, name: string, flags: RemoveFlags): Promise<void> {
	const tool = BUILD_TOOLS.find((one) => one === name);
	if (!tool) throw new UsageError(`${name} is no build tool with results here. Name one of these: ${BUILD_TOOLS.join(", ")}.`);
	await confirm(`Remove all results of ${tool} of ${project}`, flags);
	await removeResults(new Connection(flags), project, [tool]);
	if (flags.output === "json") printJson({ removed: [tool] });
	else print(`The results of ${tool} of ${project} are removed.`);
}

async function remove(project: string, id: string | undefined, flags: RemoveFlags): Promise<void> {
	const { key, tool, all } = flags;
	if ([id, key, tool, all].filter((one) => one !== undefined).length !== 1)
		throw new UsageError("Name one of these: a cache by its id, --key with the beginning of keys, --tool, or --all.");
	if (tool !== undefined) return removeTool(project, tool, flags);
	const connection = new Connection(flags);
	const usage = all ? await connection.json<CacheUsage>(`${addressOf(project)}/cache-usage`) : null;
	const tools = usage?.tools.map((one) => one.tool) ?? [];
	const caches =
		id === undefined ? (await allCaches(connection, project)).filter((one) => key === undefined || one.key.startsWith(key)) : [];
	const ids = id === undefined ? caches.map((one) => one.id) : [id];
	if (ids.length + tools.length === 0) throw new UsageError(`No cache of ${project} has a key that begins with ${key ?? "anything"}.`);
	const what = [counted(ids.length, "cache"), ...tools.map((one) => `the results of ${one}`)].join(", ");
	if (id === undefined) await confirm(`Remove ${what} of ${project}`, flags);
	for (const one of ids) await connection.send(`${addressOf(project)}/caches/${encodeURIComponent(one)}`, { method: "DELETE" });
	await removeResults(connection, project, tools);
	if (flags.output === "json") printJson({ removed: [...ids, ...tools] });
	else print(`${what} of ${project} removed.`);
}
