import type { Readable } from "node:stream";
import type { Assignment } from "../../../schema/wire/protocol.ts";
import { ConfinedFileError, ConfinedFolder } from "../../files/confined_folder.ts";
import type { Outcome } from "../../outcome.ts";
import type { AttemptProcesses } from "../../processes/attempt_processes.ts";
import { type Output, startProcess } from "../../processes/start_process.ts";
import { NoSuchFolder, openStepFolder } from "../host_executor.ts";
import { type BuildContextFiles, packBuildContext } from "./build_context.ts";
import { dockerEnvironment } from "./docker.ts";

/** A step that builds an image from the workspace, and pushes it to where its tags say. */

type Build = NonNullable<Assignment["steps"][number]["build"]>;

interface BuildContext {
	build: Build;
	/** Whether the image gets its names: otherwise it is built, and that is all. */
	isNamed: boolean;
	/** Variables that say to docker whose credentials to use. */
	registryEnvironment: Readonly<Record<string, string>>;
	workspace: string;
	/** Where steps have the workspace. */
	workspaceOfSteps: string;
	processes: AttemptProcesses;
	output: Output;
	/** Tells what is done, in the log. */
	say(text: string): Promise<void>;
	/** Whether the step was asked to end: then nothing more is begun. */
	isStopping(): boolean;
}

/** Builds, tags and pushes. @returns null if all of it succeeded, or what did not */
export async function buildImage(context: BuildContext): Promise<Outcome | null> {
	const { build, isNamed, say, isStopping } = context;
	for (const image of build.cache) {
		await say(`:: pull ${image} as a cache`);
		// A cache that is not there yet is what a first build finds.
		if ((await run(context, ["pull", "--quiet", image])) !== 0) await say(`:: ${image} is not there; building without it`);
		if (isStopping()) return null;
	}
	if (!isNamed) await say(`:: the image is not called ${build.tags.join(", ")}: this run is from another repository`);
	const failure = await buildFromWorkspace(context);
	if (isStopping() || failure) return isStopping() ? null : failure;
	for (const tag of build.push ? build.tags : []) {
		await say(`:: push ${tag}`);
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
	const { build, isNamed, say } = context;
	const { archive, dockerfile, leftOut } = files;
	let built: number;
	try {
		built = await run(context, buildCommand(build, isNamed ? build.tags : [], dockerfile), build.args, archive);
	} finally {
		archive.destroy();
		await files.done;
	}
	if (leftOut.length > 0) await say(`:: not sent to the build, as neither file, folder nor link: ${listed(leftOut)}`);
	if (files.error) return failed("build_failed", `The context of the build cannot be read: ${files.error.message}`, null);
	return built === 0 ? null : failed("build_failed", `The image ${build.tags[0]} cannot be built.`, built);
}

const MAX_LISTED = 10;

function listed(names: readonly string[]): string {
	const more = names.length - MAX_LISTED;
	return `${names.slice(0, MAX_LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** What docker is told, so that it builds what comes as an archive. The values of the arguments stand in its environment. */
export function buildCommand(build: Build, tags: readonly string[], dockerfile: string): string[] {
	return [
		"build",
		"--force-rm",
		...tags.flatMap((tag) => ["--tag", tag]),
		"--file",
		dockerfile,
		...(build.target === null ? [] : ["--target", build.target]),
		...build.cache.flatMap((image) => ["--cache-from", image]),
		// Of an image that does not say how it was built, BuildKit takes no layer for the next one.
		...(build.push ? ["--build-arg", "BUILDKIT_INLINE_CACHE=1"] : []),
		// On the command line everybody on the machine could read their values.
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
	// No build argument has a name that docker would heed: the language refuses those.
	const environment = { ...dockerEnvironment(), ...registryEnvironment, ...env };
	const running = await startProcess(
		["docker", ...args],
		{ cwd: "/", env: environment, cgroup: processes.cgroup, ...(input && { input }) },
		output,
	);
	processes.add(running.pid);
	// The sweep over what runs may have come too early for this one.
	if (isStopping()) await processes.end([running.pid], 0);
	return running.exited;
}

function failed(code: string, text: string, exitCode: number | null): Outcome {
	return { state: "failed", exitCode, reason: { code, text } };
}
