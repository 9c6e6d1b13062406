import path from "node:path";
import { Command } from "commander";
import type { PipelineVersion, StoredPipeline, WholePipeline } from "../../schema/wire/pipelines.ts";
import type { Page, SubmittedRun } from "../../schema/wire/resources.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { followRun } from "../follow/follow_run.ts";
import { readPipeline } from "../pipeline_file.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, pairs, several } from "./command.ts";
import { showErrors, validationErrorsIn } from "./validation_errors.ts";

/** `windlass pipelines`: pipelines that the coordinator keeps, with their versions. One is named by its id, or as `project/name`. */

interface Flags extends ConnectionFlags {
	output: string;
}

const WHICH = "its id (pip_…), or project/name";
const ADDRESS = "/api/v1/pipelines";

/** The pipeline that is meant. @throws UsageError */
async function find(connection: Connection, named: string): Promise<StoredPipeline> {
	if (named.startsWith("pip_")) return connection.json<StoredPipeline>(`${ADDRESS}/${encodeURIComponent(named)}`);
	const [project, name] = named.includes("/") ? named.split("/") : ["adhoc", named];
	const { items } = await connection.json<Page<StoredPipeline>>(`${ADDRESS}?${new URLSearchParams({ project: project ?? "" })}`);
	const found = items.find((one) => one.name === name);
	if (found) return found;
	throw new UsageError(`there is no pipeline ${name} in the project ${project}; windlass pipelines ls shows what there is`);
}

function show(items: readonly StoredPipeline[], output: string): void {
	if (output === "json") {
		printJson(items);
		return;
	}
	const rows = items.map((one) => [`${one.project}/${one.name}`, String(one.version), ago(one.updated_at), one.id]);
	print(table([["pipeline", "version", "changed", "id"], ...rows]));
}

function wholeNumber(text: string): number {
	if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
	throw new UsageError(`${text} is not the number of a version`);
}

async function push(file: string, flags: Flags & { name?: string; project: string }): Promise<void> {
	const connection = new Connection(flags);
	const { text } = await readPipeline(file);
	const name =
		flags.name ??
		path
			.basename(file)
			.replace(/^\./, "")
			.replace(/\.ya?ml$/, "");
	const form = new FormData();
	// As a file: in a text of a form, every line would get another end.
	form.set("file", new Blob([text]), path.basename(file));
	form.set("name", name);
	form.set("project", flags.project);
	const encoded = new Response(form);
	const body = { type: encoded.headers.get("Content-Type") ?? "", bytes: new Uint8Array(await encoded.arrayBuffer()) };
	try {
		show([await connection.json<StoredPipeline>(`${ADDRESS}/upload`, { method: "POST", body })], flags.output);
	} catch (error) {
		const faults = validationErrorsIn(error);
		if (!faults.some(({ line }) => line !== null)) throw error;
		process.stderr.write(`${showErrors(file, text, faults)}\n`);
		throw new UsageError(`${file} was not taken`);
	}
}

export function pipelinesCommand(setExitCode: (code: number) => void): Command {
	return new Command("pipelines")
		.description("Pipelines that the coordinator keeps, with their versions.")
		.addHelpText("after", "\nExample:\n  windlass pipelines push nightly.yml --project web")
		.addCommand(
			command("ls", "List the pipelines.", "windlass pipelines ls --project web")
				.option("--project <name>", "only those of this project")
				.action(async (flags: Flags & { project?: string }) => {
					const query = new URLSearchParams(flags.project ? { project: flags.project } : {});
					const { items } = await new Connection(flags).json<Page<StoredPipeline>>(`${ADDRESS}?${query}`);
					if (items.length === 0 && flags.output !== "json") print("There is none yet: windlass pipelines push <file>");
					else show(items, flags.output);
				}),
		)
		.addCommand(
			command("push", "Keep a file as a pipeline, or as a new version of it.", "windlass pipelines push nightly.yml --project web")
				.argument("<file>", "the pipeline; - is the standard input")
				.option("--name <name>", "what it is called (default: what the file is called)")
				.option("--project <name>", "the project that it belongs to", "adhoc")
				.action(push),
		)
		.addCommand(
			command("show", "Print the text of a pipeline.", "windlass pipelines show web/nightly --version 3")
				.argument("<pipeline>", WHICH)
				.option("--version <n>", "that of this version (default: the newest)")
				.action(async (named: string, flags: Flags & { version?: string }) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					if (flags.version !== undefined) return print(await connection.text(`${ADDRESS}/${id}/versions/${wholeNumber(flags.version)}`));
					const whole = await connection.json<WholePipeline>(`${ADDRESS}/${id}`);
					if (flags.output === "json") printJson(whole);
					else print(whole.yaml);
				}),
		)
		.addCommand(
			command("versions", "List the versions of a pipeline, newest first.", "windlass pipelines versions web/nightly")
				.argument("<pipeline>", WHICH)
				.action(async (named: string, flags: Flags) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const { items } = await connection.json<Page<PipelineVersion>>(`${ADDRESS}/${id}/versions?limit=200`);
					if (flags.output === "json") return printJson(items);
					const rows = items.map((one) => [
						String(one.number),
						`${one.actor}${one.restores === null ? "" : `, restoring ${one.restores}`}`,
						`${one.size} bytes`,
						ago(one.created_at),
					]);
					print(table([["version", "by", "size", "made"], ...rows]));
				}),
		)
		.addCommand(
			command("diff", "Show what a version has changed.", "windlass pipelines diff web/nightly 3 --against 1")
				.argument("<pipeline>", WHICH)
				.argument("<version>", "the version")
				.option("--against <n>", "the version to compare with (default: the one before)")
				.action(async (named: string, version: string, flags: Flags & { against?: string }) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const query = flags.against === undefined ? "" : `?against=${wholeNumber(flags.against)}`;
					const diff = await connection.text(`${ADDRESS}/${id}/versions/${wholeNumber(version)}/diff${query}`);
					if (flags.output === "json") printJson({ diff });
					else print(diff);
				}),
		)
		.addCommand(
			command("restore", "Make a new version with the text of an earlier one.", "windlass pipelines restore web/nightly 2")
				.argument("<pipeline>", WHICH)
				.argument("<version>", "the version")
				.action(async (named: string, version: string, flags: Flags) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const address = `${ADDRESS}/${id}/versions/${wholeNumber(version)}/restore`;
					show([await connection.json<StoredPipeline>(address, { method: "POST", json: {} })], flags.output);
				}),
		)
		.addCommand(
			command("trigger", "Run the newest version, and follow it.", "windlass pipelines trigger web/nightly -p target=staging")
				.argument("<pipeline>", WHICH)
				.option("-p, --param <name=value>", "a parameter; may be repeated", several, [])
				.option("-e, --env <name=value>", "a variable for every job; may be repeated", several, [])
				.option("--branch <name>", "the branch that it is about")
				.option("-d, --detach", "do not follow it")
				.action(async (named: string, flags: Flags & { param: string[]; env: string[]; branch?: string; detach?: boolean }) => {
					const connection = new Connection(flags);
					const { id } = await find(connection, named);
					const json = { params: pairs("--param", flags.param), env: pairs("--env", flags.env), branch: flags.branch };
					const run = await connection.json<SubmittedRun>(`${ADDRESS}/${id}/trigger`, { method: "POST", json });
					if (flags.output === "json") printJson(run);
					else if (flags.detach) print(`${run.url}\n${run.id}`);
					else setExitCode(await followRun(connection, run));
				}),
		)
		.addCommand(
			command("rm", "Remove a pipeline with its versions; its runs stay.", "windlass pipelines rm web/nightly")
				.argument("<pipeline>", WHICH)
				.action(async (named: string, flags: Flags) => {
					const connection = new Connection(flags);
					const found = await find(connection, named);
					await connection.send(`${ADDRESS}/${found.id}`, { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: found.id });
					else print(`The pipeline ${found.project}/${found.name} is removed, with its ${found.version} versions.`);
				}),
		);
}
