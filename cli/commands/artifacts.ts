import { createWriteStream } from "node:fs";
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { hashing } from "../../agent/files/hashing.ts";
import { onlyExcludes, pathMatcher, patternError } from "../../schema/pipeline/validate/patterns.ts";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { innerPathError, isInnerPath, shownPath } from "../../schema/wire/paths.ts";
import type { Artifact, Page, Run } from "../../schema/wire/resources.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { UsageError } from "../failures.ts";
import { print, printJson, table } from "../terminal.ts";
import { outputOption } from "./command.ts";
import { resolveId } from "./runs.ts";

interface Flags extends ConnectionFlags {
	output: string;
}

interface Owned {
	job: string;
	artifact: Artifact;
}

/** `windlass artifacts`: the files that jobs have saved. */
export function artifactsCommand(): Command {
	const list = withConnection(new Command("ls").description("List the files of a run or a job."))
		.argument("<id>", "the id of a run or of a job, or latest")
		.addOption(outputOption())
		.addHelpText("after", "\nExample:\n  windlass artifacts ls latest")
		.action(async (named: string, flags: Flags) => {
			const found = await filesOf(new Connection(flags), named);
			if (flags.output === "json") return printJson(found.map(({ job, artifact }) => ({ job, ...artifact })));
			const rows = found.map(({ job, artifact }) => [
				job,
				shownPath(artifact.path),
				formatBytes(artifact.size),
				artifact.name ?? "",
				expiryOf(artifact),
			]);
			print(table([["job", "file", "size", "name", "expires"], ...rows]));
		});
	const get = withConnection(new Command("get").description("Download the files of a run or a job."))
		.argument("<id>", "the id of a run or of a job, or latest")
		.argument("[patterns...]", "which files; all if none is named")
		.option("--name <name>", "only the files of this name")
		.option("-C, --directory <folder>", "where to put them", ".")
		.addOption(outputOption())
		.addHelpText("after", "\nExample:\n  windlass artifacts get latest 'dist/**' -C /tmp/build")
		.action(async (named: string, patterns: string[], flags: Flags & { directory: string; name?: string }) => {
			const connection = new Connection(flags);
			const isWanted = matcherOf(patterns);
			const all = await filesOf(connection, named);
			const asked = all.filter(({ artifact }) => isWanted(artifact.path) && (flags.name === undefined || artifact.name === flags.name));
			const found = asked.filter(({ artifact }) => artifact.expired_at === null);
			if (found.length === 0) throw new UsageError(nothingFound(patterns, flags.name, asked.length > 0));
			const twice = found.find(({ artifact }, index) => found.findIndex((one) => one.artifact.path === artifact.path) < index);
			if (twice) throw new UsageError(`${shownPath(twice.artifact.path)} is a file of several jobs; name one job`);
			// A path that cannot be written keeps no other file back.
			const writable = found.filter(({ artifact }) => isInnerPath(artifact.path));
			const refused = found.filter(({ artifact }) => !isInnerPath(artifact.path));
			for (const { artifact } of writable) {
				await download(connection, artifact, flags.directory);
				if (flags.output !== "json") print(`${shownPath(artifact.path)}  ${formatBytes(artifact.size)}`);
			}
			if (flags.output === "json") printJson(writable.map(({ job, artifact }) => ({ job, ...artifact })));
			const told = refused.map(({ artifact: { path: file } }) => `${shownPath(file)} ${innerPathError(file)}`);
			if (told.length > 0) throw new UsageError(`not downloaded: ${told.join("; ")}; the zip of the job has it`);
		});
	return new Command("artifacts")
		.description("The files that jobs have saved.")
		.addCommand(list)
		.addCommand(get)
		.addHelpText("after", "\nExample:\n  windlass artifacts get latest 'dist/**'");
}

/** When a file is removed, or that it was. */
function expiryOf({ expires_at, expired_at }: Artifact): string {
	return expired_at === null ? (expires_at ?? "") : `expired ${expired_at}`;
}

function nothingFound(patterns: readonly string[], name: string | undefined, isExpired: boolean): string {
	const called = name === undefined ? "" : ` named ${name}`;
	if (isExpired) return `the files${called} have expired: their time was over, and they were removed`;
	return patterns.length > 0 ? `no file${called} matches ${patterns.join(" ")}` : `there are no files${called}`;
}

/** @throws UsageError for what is no pattern */
function matcherOf(patterns: readonly string[]): (path: string) => boolean {
	for (const pattern of patterns) {
		const fault = patternError(pattern);
		if (fault) throw new UsageError(`${fault.message}. ${fault.suggestion}`);
	}
	const excluding = onlyExcludes(patterns);
	if (excluding) throw new UsageError(`${excluding.message}. ${excluding.suggestion}`);
	return patterns.length === 0 ? () => true : pathMatcher(patterns);
}

async function filesOf(connection: Connection, named: string): Promise<Owned[]> {
	const id = await resolveId(connection, named);
	const jobs = id.startsWith("job_") ? [{ id, name: id }] : (await connection.json<Run>(`/api/v1/runs/${id}`)).jobs;
	const pages = await Promise.all(
		jobs.map(async (job) => ({ job: job.name, page: await connection.json<Page<Artifact>>(`/api/v1/jobs/${job.id}/artifacts`) })),
	);
	return pages.flatMap(({ job, page }) => page.items.map((artifact) => ({ job, artifact })));
}

async function download(connection: Connection, artifact: Artifact, directory: string): Promise<void> {
	const file = path.join(directory, artifact.path);
	const arriving = `${file}.arriving`;
	await mkdir(path.dirname(file), { recursive: true });
	const { stage, digest } = hashing();
	try {
		await pipeline(await connection.download(artifact.url), stage, createWriteStream(arriving));
		if (digest() !== artifact.sha256) throw new UsageError(`${shownPath(artifact.path)} came damaged; try again`);
		await chmod(arriving, artifact.executable ? 0o755 : 0o644);
		await rename(arriving, file);
	} finally {
		await rm(arriving, { force: true });
	}
}
