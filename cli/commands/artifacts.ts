import { createWriteStream } from "node:fs";
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import picomatch from "picomatch";
import { hashing } from "../../agent/hashing.ts";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { isInnerPath } from "../../schema/wire/paths.ts";
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
			print(table([["job", "file", "size"], ...found.map(({ job, artifact }) => [job, artifact.path, formatBytes(artifact.size)])]));
		});
	const get = withConnection(new Command("get").description("Download the files of a run or a job."))
		.argument("<id>", "the id of a run or of a job, or latest")
		.argument("[patterns...]", "which files; all if none is named")
		.option("-C, --directory <folder>", "where to put them", ".")
		.addOption(outputOption())
		.addHelpText("after", "\nExample:\n  windlass artifacts get latest 'dist/**' -C /tmp/build")
		.action(async (named: string, patterns: string[], flags: Flags & { directory: string }) => {
			const connection = new Connection(flags);
			const isWanted = patterns.length === 0 ? () => true : picomatch(patterns, { dot: true });
			const found = (await filesOf(connection, named)).filter(({ artifact }) => isWanted(artifact.path) && artifact.expired_at === null);
			if (found.length === 0) throw new UsageError(patterns.length > 0 ? `no file matches ${patterns.join(" ")}` : "there are no files");
			const twice = found.find(({ artifact }, index) => found.findIndex((one) => one.artifact.path === artifact.path) < index);
			if (twice) throw new UsageError(`${twice.artifact.path} is a file of several jobs; name one job`);
			for (const { artifact } of found) {
				await download(connection, artifact, flags.directory);
				if (flags.output !== "json") print(`${artifact.path}  ${formatBytes(artifact.size)}`);
			}
			if (flags.output === "json") printJson(found.map(({ job, artifact }) => ({ job, ...artifact })));
		});
	return new Command("artifacts")
		.description("The files that jobs have saved.")
		.addCommand(list)
		.addCommand(get)
		.addHelpText("after", "\nExample:\n  windlass artifacts get latest 'dist/**'");
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
	if (!isInnerPath(artifact.path)) throw new UsageError(`${JSON.stringify(artifact.path)} is no path to write to`);
	const file = path.join(directory, artifact.path);
	const arriving = `${file}.arriving`;
	await mkdir(path.dirname(file), { recursive: true });
	const { stage, digest } = hashing();
	try {
		await pipeline(await connection.download(artifact.url), stage, createWriteStream(arriving));
		if (digest() !== artifact.sha256) throw new UsageError(`${artifact.path} came damaged; try again`);
		await chmod(arriving, artifact.executable ? 0o755 : 0o644);
		await rename(arriving, file);
	} finally {
		await rm(arriving, { force: true });
	}
}
