import { createWriteStream } from "node:fs";
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { hashing } from "../../agent/files/hashing.ts";
import { onlyExcludes, pathMatcher, patternError } from "../../schema/pipeline/syntax/patterns.ts";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { innerPathError, isInnerPath, shownPath } from "../../schema/wire/paths.ts";
import type { Artifact, Page, Run } from "../../schema/wire/resources.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { outputOption } from "./command.ts";
import { RUN_OR_JOB, resolveId } from "./which_run.ts";

interface Flags extends ConnectionFlags {
	output: string;
}

interface Owned {
	job: string;
	artifact: Artifact;
}

/** `windlass artifacts`: the files that jobs saved. */
export function artifactsCommand(): Command {
	const list = withConnection(new Command("ls").description("List the artifacts of a run or a job."))
		.argument(...RUN_OR_JOB)
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
	const get = withConnection(new Command("get").description("Download the artifacts of a run or a job."))
		.argument(...RUN_OR_JOB)
		.argument("[patterns...]", "patterns of the files to download (default: all files)")
		.option("--name <name>", "only artifacts with this name")
		.option("-C, --directory <folder>", "the folder to download to", ".")
		.addOption(outputOption())
		.addHelpText("after", "\nExample:\n  windlass artifacts get latest 'dist/**' -C /tmp/build")
		.action(async (named: string, patterns: string[], flags: Flags & { directory: string; name?: string }) => {
			const connection = new Connection(flags);
			const isWanted = matcherOf(patterns);
			const all = await filesOf(connection, named);
			const asked = all.filter(({ artifact }) => isWanted(artifact.path) && (flags.name === undefined || artifact.name === flags.name));
			const found = asked.filter(({ artifact }) => artifact.expired_at === null);
			if (found.length === 0) throw new UsageError(noArtifact(patterns, flags.name, asked.length > 0));
			const twice = found.find(({ artifact }, index) => found.findIndex((one) => one.artifact.path === artifact.path) < index);
			if (twice) throw new UsageError(`Several jobs saved ${shownPath(twice.artifact.path)}. Name one of the jobs.`);
			// A path that cannot be written does not keep the other files from being downloaded.
			const writable = found.filter(({ artifact }) => isInnerPath(artifact.path));
			const unwritable = found.filter(({ artifact }) => !isInnerPath(artifact.path));
			for (const { artifact } of writable) {
				await download(connection, artifact, flags.directory);
				if (flags.output !== "json") print(`${shownPath(artifact.path)}  ${formatBytes(artifact.size)}`);
			}
			if (flags.output === "json") printJson(writable.map(({ job, artifact }) => ({ job, ...artifact })));
			const problems = unwritable.map(({ artifact: { path: file } }) => `${shownPath(file)} ${innerPathError(file)}`);
			if (problems.length > 0) throw new UsageError(`Not downloaded: ${problems.join("; ")}. The zip file on the job's page has it.`);
		});
	return new Command("artifacts")
		.description("List and download the artifacts of runs and jobs.")
		.addCommand(list)
		.addCommand(get)
		.addHelpText("after", "\nExample:\n  windlass artifacts get latest 'dist/**'");
}

/** When a file expires, or has expired. */
function expiryOf({ expires_at, expired_at }: Artifact): string {
	return expired_at === null ? (expires_at ?? "") : `expired ${expired_at}`;
}

function noArtifact(patterns: readonly string[], name: string | undefined, isExpired: boolean): string {
	const called = name === undefined ? "" : ` named ${name}`;
	if (isExpired) return `The artifacts${called} have expired and were deleted.`;
	return patterns.length > 0 ? `No artifact${called} matches ${patterns.join(" ")}.` : `There is no artifact${called}.`;
}

/** @throws UsageError for an invalid pattern */
function matcherOf(patterns: readonly string[]): (path: string) => boolean {
	for (const pattern of patterns) {
		const error = patternError(pattern);
		if (error) throw new UsageError(`${error.message} ${error.suggestion}`);
	}
	const excluding = onlyExcludes(patterns);
	if (excluding) throw new UsageError(`${excluding.message} ${excluding.suggestion}`);
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
	const partial = `${file}.partial`;
	await mkdir(path.dirname(file), { recursive: true });
	const { stage, digest } = hashing();
	try {
		await pipeline(await connection.download(artifact.url), stage, createWriteStream(partial));
		if (digest() !== artifact.sha256)
			throw new UsageError(`The download of ${shownPath(artifact.path)} is damaged: its sha256 does not match. Try again.`);
		await chmod(partial, artifact.executable ? 0o755 : 0o644);
		await rename(partial, file);
	} finally {
		await rm(partial, { force: true });
	}
}
