import type { Readable } from "node:stream";
import type { ReasonCode } from "../../../schema/wire/reasons.ts";
import { ConfinedFileError } from "../../files/confined_file_error.ts";
import { ConfinedFolder } from "../../files/confined_folder.ts";
import type { Outcome } from "../../outcome.ts";
import type { AttemptProcesses } from "../../processes/attempt_processes.ts";
import { type Output, startProcess } from "../../processes/start_process.ts";
import type { FilledBuild } from "../job_context.ts";
import { NoSuchFolder, openStepFolder } from "../step_executor.ts";
import { type BuildContextFiles, packBuildContext } from "./build_context.ts";
import { dockerEnvironment } from "./docker.ts";

interface BuildContext {
	build: FilledBuild;
	/** Whether the image gets its tags. */
	isTagged: boolean;
	/** Variables that make docker use the right credentials. */
	registryEnvironment: Readonly<Record<string, string>>;
	workspace: string;
	/** The path of the workspace as steps see it. */
	workspaceOfSteps: string;
	processes: AttemptProcesses;
	output: Output;
	/** Writes a line to the job's log. */
	writeLine(text: string): Promise<void>;
	/** Whether the step must end: then nothing more is started. */
	isStopping(): boolean;
}

/**
 * Builds an image from the workspace, tags and pushes it.
 * @returns null for success, or for a step that was stopped
 */
export async function buildImage(context: BuildContext): Promise<Outcome | null> {
	const { build, isTagged, writeLine, isStopping } = context;
	for (const image of build.cache) {
		await writeLine(`:: pull ${image} as a cache`);
		// The first build has no cache.
		if ((await run(context, ["pull", "--quiet", image])) !== 0) await writeLine(`:: ${image} does not exist; building without this cache`);
		if (isStopping()) return null;
	}
	if (!isTagged) await writeLine(`:: the image gets no tags (${build.tags.join(", ")}): this run is of a fork`);
	const failure = await buildFromWorkspace(context);
	if (isStopping() || failure) return isStopping() ? null : failure;
	for (const tag of build.push ? build.tags : []) {
		await writeLine(`:: push ${tag}`);
		const pushed = await run(context, ["push", tag]);
		if (isStopping()) return null;
		if (pushed !== 0) return failed("push_failed", `The image ${tag} cannot be pushed.`, pushed);
	}
	return null;
}

async function buildFromWorkspace(context: BuildContext): Promise<Outcome | null> {
	const { build, workspaceOfSteps } = context;
	const workspace = await ConfinedFolder.open(context.workspace, workspaceOfSteps);
	try {
		const folder = await openStepFolder(workspace, build.context);
		try {
			return await buildFrom(context, await packBuildContext(workspace, folder, build.dockerfile));
		} finally {
			await folder.close();
		}
	} catch (error) {
		if (error instanceof NoSuchFolder) return failed("no_such_folder", error.message, null);
		if (!(error instanceof ConfinedFileError)) return failed("build_failed", (error as Error).message, null);
		const isNotThere = build.dockerfile !== null && (error.problem === "absent" || error.problem === "outside");
		return failed("build_failed", isNotThere ? `The file ${build.dockerfile} is not in the workspace.` : error.message, null);
	} finally {
		await workspace.close();
	}
}

async function buildFrom(context: BuildContext, files: BuildContextFiles): Promise<Outcome | null> {
	const { build, isTagged, writeLine } = context;
	const { archive, dockerfile, leftOut } = files;
	let built: number;
	try {
		built = await run(context, buildCommand(build, isTagged ? build.tags : [], dockerfile), build.args, archive);
	} finally {
		archive.destroy();
		await files.done;
	}
	if (leftOut.length > 0) await writeLine(`:: not sent to the build, as neither file, folder nor link: ${listed(leftOut)}`);
	if (files.error) return failed("build_failed", `The build context cannot be read: ${files.error.message}`, null);
	return built === 0 ? null : failed("build_failed", `The image ${build.tags[0]} cannot be built.`, built);
}

const MAX_LISTED = 10;

function listed(names: readonly string[]): string {
	const more = names.length - MAX_LISTED;
	return `${names.slice(0, MAX_LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/**
 * The docker command that builds an archive from its input. The values of build arguments are in
 * its environment.
 */
export function buildCommand(build: FilledBuild, tags: readonly string[], dockerfile: string): string[] {
	return [
		"build",
		"--force-rm",
		...tags.flatMap((tag) => ["--tag", tag]),
		"--file",
		dockerfile,
		...(build.target === null ? [] : ["--target", build.target]),
		...build.cache.flatMap((image) => ["--cache-from", image]),
		// BuildKit uses only layers of images that say how they were built.
		...(build.push ? ["--build-arg", "BUILDKIT_INLINE_CACHE=1"] : []),
		// Every user of the machine can read command lines.
		...Object.keys(build.args).flatMap((name) => ["--build-arg", name]),
		"-",
	];
}

async function run(
	{ registryEnvironment, processes, output, isStopping }: BuildContext,
	args: readonly string[],
	env: Record<string, string> = {},
	input?: Readable,
): Promise<number> {
	if (isStopping()) return 1;
	// No build argument has a name that docker itself honors: the language rejects those.
	const environment = { ...dockerEnvironment(), ...registryEnvironment, ...env };
	const running = await startProcess(
		["docker", ...args],
		{ cwd: "/", env: environment, cgroup: processes.cgroup, ...(input && { input }) },
		output,
	);
	processes.add(running.pid);
	// The step may have been stopped while docker was being started.
	if (isStopping()) await processes.end([running.pid], 0);
	return running.exited;
}

function failed(code: ReasonCode, text: string, exitCode: number | null): Outcome {
	return { state: "failed", exitCode, reason: { code, text } };
}
