import path from "node:path";
import { Command } from "commander";
import { formatBytes } from "../../schema/wire/bytes.ts";
import type { PipelineVersion, StoredPipeline, WholePipeline } from "../../schema/wire/pipelines.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import { RUN_EXIT_CODES } from "../exit_codes.ts";
import { readPipeline } from "../pipeline_file.ts";
import { ago, counted, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags, PARAMETER, pairs, repeatable, VARIABLE } from "./command.ts";
import { DETACH, printOrFollow } from "./submitted_run.ts";
import { showErrors, validationErrorsIn } from "./validation_errors.ts";

/**
 * `windlass pipelines`: the stored pipelines and their versions. One is named by its id, or as
 * `project/name`.
 */

const PIPELINE = ["<pipeline>", "the id of the pipeline (pip_…), or project/name"] as const;
const VERSION = ["<version>", "the number of the version"] as const;
const ADDRESS = "/api/v1/pipelines";

/** The pipeline with this id or name. @throws UsageError */
async function find(connection: Connection, named: string): Promise<StoredPipeline> {
	if (named.startsWith("pip_")) return connection.json<StoredPipeline>(`${ADDRESS}/${encodeURIComponent(named)}`);
	const [project, name] = named.includes("/") ? named.split("/") : ["adhoc", named];
	const { items } = await connection.json<Page<StoredPipeline>>(`${ADDRESS}?${new URLSearchParams({ project: project ?? "" })}`);
	const found = items.find((one) => one.name === name);
	if (found) return found;
	throw new UsageError(`Project ${project} has no stored pipeline ${name}. windlass pipelines ls shows the stored pipelines.`);
}

function show(items: readonly StoredPipeline[], output: string): void {
	if (output === "json") {
		printJson(items);
		return;
	}
	const rows = items.map((one) => [`${one.project}/${one.name}`, String(one.version), ago(one.updated_at), one.id]);
	print(table([["pipeline", "version", "changed", "id"], ...rows]));
}

function versionNumber(text: string): number {
	if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
	throw new UsageError(`"${text}" is not the number of a version. windlass pipelines versions shows them.`);
}

async function push(file: string, flags: Flags & { name?: string; project: string }): Promise<void> {
	const connection = new Connection(flags);
	const pipeline = await readPipeline(file);
	const name =
		flags.name ??
		path
			.basename(file)
			.replace(/^\./, "")
			.replace(/\.ya?ml$/, "");
	const form = new FormData();
	// As a file: a text part of a form would get other line ends.
	form.set("file", new Blob([pipeline.text]), path.basename(file));
	form.set("name", name);
	form.set("project", flags.project);
	const encoded = new Response(form);
	const body = { type: encoded.headers.get("Content-Type") ?? "", bytes: new Uint8Array(await encoded.arrayBuffer()) };
	try {
		show([await connection.json<StoredPipeline>(`${ADDRESS}/upload`, { method: "POST", body })], flags.output);
	} catch (error) {
		const errors = validationErrorsIn(error);
		if (!errors.some(({ line }) => line !== null)) throw error;
		process.stderr.write(`${showErrors(pipeline, errors)}\n`);
		throw new UsageError(`${file} was not stored. Fix the errors above.`);
	}
}

export function pipelinesCommand(setExitCode: (code: number) => void): Command {
	return new Command("pipelines")
		.description("Manage stored pipelines and their versions.")
		.addHelpText("after", "\nExample:\n  windlass pipelines push nightly.yml --project web")
		.addCommand(
			command("ls", "List the stored pipelines.", "windlass pipelines ls --project web")
				.option("--project <name>", "only pipelines of this project")
				.action(async (flags: Flags & { project?: string }) => {
					const query = new URLSearchParams(flags.project ? { project: flags.project } : {});
					const { items } = await new Connection(flags).json<Page<StoredPipeline>>(`${ADDRESS}?${query}`);
					if (items.length === 0 && flags.output !== "json")
						print("There is no stored pipeline yet. Store one: windlass pipelines push <file>");
					else show(items, flags.output);
				}),
		)
		.addCommand(
			command("push", "Store a file as a pipeline, or as a new version of it.", "windlass pipelines push nightly.yml --project web")
				.argument("<file>", "the pipeline file; - reads standard input")
				.option("--name <name>", "the name of the pipeline (default: the name of the file)")
				.option("--project <name>", "the project of the pipeline", "adhoc")
				.action(push),
		)
		.addCommand(
			command("show", "Print the text of a stored pipeline.", "windlass pipelines show web/nightly --version 3")
				.argument(...PIPELINE)
				.option("--version <n>", "the version to print (default: the newest)")
				.action(async (named: string, flags: Flags & { version?: string }) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					if (flags.version !== undefined) return print(await connection.text(`${ADDRESS}/${id}/versions/${versionNumber(flags.version)}`));
					const whole = await connection.json<WholePipeline>(`${ADDRESS}/${id}`);
					if (flags.output === "json") printJson(whole);
					else print(whole.yaml);
				}),
		)
		.addCommand(
			command("versions", "List the versions of a pipeline, newest first.", "windlass pipelines versions web/nightly")
				.argument(...PIPELINE)
				.action(async (named: string, flags: Flags) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const { items } = await connection.json<Page<PipelineVersion>>(`${ADDRESS}/${id}/versions?limit=200`);
					if (flags.output === "json") return printJson(items);
					const rows = items.map((one) => [
						String(one.number),
						`${one.actor}${one.restores === null ? "" : `, restoring ${one.restores}`}`,
						formatBytes(one.size),
						ago(one.created_at),
					]);
					print(table([["version", "by", "size", "created"], ...rows]));
				}),
		)
		.addCommand(
			command("diff", "Show the changes of a version.", "windlass pipelines diff web/nightly 3 --against 1")
				.argument(...PIPELINE)
				.argument(...VERSION)
				.option("--against <n>", "the version to compare with (default: the previous one)")
				.action(async (named: string, version: string, flags: Flags & { against?: string }) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const query = flags.against === undefined ? "" : `?against=${versionNumber(flags.against)}`;
					const diff = await connection.text(`${ADDRESS}/${id}/versions/${versionNumber(version)}/diff${query}`);
					if (flags.output === "json") printJson({ diff });
					else print(diff);
				}),
		)
		.addCommand(
			command("restore", "Make a new version with the text of an earlier one.", "windlass pipelines restore web/nightly 2")
				.argument(...PIPELINE)
				.argument(...VERSION)
				.action(async (named: string, version: string, flags: Flags) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const address = `${ADDRESS}/${id}/versions/${versionNumber(version)}/restore`;
					show([await connection.json<StoredPipeline>(address, { method: "POST", json: {} })], flags.output);
				}),
		)
		.addCommand(
			command(
				"trigger",
				"Run the newest version of a stored pipeline, and follow it.",
				"windlass pipelines trigger web/nightly -p target=staging",
				RUN_EXIT_CODES,
			)
				.argument(...PIPELINE)
				.addOption(repeatable(...PARAMETER))
				.addOption(repeatable(...VARIABLE))
				.option("--branch <name>", "the branch of the run")
				.option(...DETACH)
				.action(async (named: string, flags: Flags & { param?: string[]; env?: string[]; branch?: string; detach?: boolean }) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const json = { params: pairs("--param", flags.param), env: pairs("--env", flags.env), branch: flags.branch };
					const run = await connection.json<SubmittedRun>(`${ADDRESS}/${id}/trigger`, { method: "POST", json });
					await printOrFollow(connection, run, flags, setExitCode);
				}),
		)
		.addCommand(
			command("rm", "Remove a stored pipeline with its versions. Its runs stay.", "windlass pipelines rm web/nightly")
				.argument(...PIPELINE)
				.action(async (named: string, flags: Flags) => {
					const connection = new Connection(flags);
					const found = await find(connection, named);
					await connection.send(`${ADDRESS}/${found.id}`, { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: found.id });
					else print(`Pipeline ${found.project}/${found.name} is removed, with ${counted(found.version, "version")}.`);
				}),
		);
}
