import type { Assignment } from "../schema/wire/protocol.ts";
import { dockerEnvironment } from "./docker.ts";
import type { Outcome } from "./outcome.ts";
import { folderIn, innerPath, NoSuchFolder } from "./place.ts";
import type { AttemptProcesses } from "./processes.ts";
import { type Output, startProcess } from "./step_process.ts";

/** A step that builds an image from the workspace, and pushes it to where its tags say. */

type Build = NonNullable<Assignment["steps"][number]["build"]>;

interface BuildContext {
	build: Build;
	/** Whether the image gets its names: otherwise it is built, and that is all. */
	isNamed: boolean;
	/** Variables that say to docker whose credentials to use. */
	registryEnvironment: Readonly<Record<string, string>>;
	workspace: string;
	processes: AttemptProcesses;
	output: Output;
	/** Tells what is done, in the log. */
	say(text: string): Promise<void>;
	/** Whether the step was asked to end: then nothing more is begun. */
	isStopping(): boolean;
}

/** Builds, tags and pushes. @returns null if all of it succeeded, or what did not */
export async function buildImage(context: BuildContext): Promise<Outcome | null> {
	const { build, isNamed, workspace, say, isStopping } = context;
	let folder: string;
	try {
		folder = await folderIn(workspace, build.context === "." ? null : build.context);
	} catch (error) {
		if (!(error instanceof NoSuchFolder)) throw error;
		return failed("no_such_folder", error.message, null);
	}
	const dockerfile = build.dockerfile === null ? null : await innerPath(workspace, build.dockerfile);
	if (build.dockerfile !== null && dockerfile === null)
		return failed("build_failed", `The file ${build.dockerfile} is not in the workspace.`, null);
	for (const image of build.cache) {
		await say(`:: pull ${image} as a cache`);
		// A cache that is not there yet is what a first build finds.
		if ((await run(context, ["pull", "--quiet", image])) !== 0) await say(`:: ${image} is not there; building without it`);
		if (isStopping()) return null;
	}
	if (!isNamed) await say(`:: the image is not called ${build.tags.join(", ")}: this run is from another repository`);
	const tags = isNamed ? build.tags : [];
	const built = await run(context, buildCommand(build, tags, folder, dockerfile), build.args);
	if (isStopping()) return null;
	if (built !== 0) return failed("build_failed", `The image ${build.tags[0]} cannot be built.`, built);
	for (const tag of build.push ? build.tags : []) {
		await say(`:: push ${tag}`);
		const pushed = await run(context, ["push", tag]);
		if (isStopping()) return null;
		if (pushed !== 0) return failed("push_failed", `The image ${tag} cannot be pushed.`, pushed);
	}
	return null;
}

/** What docker is told, so that it builds. The values of the arguments stand in its environment. */
export function buildCommand(build: Build, tags: readonly string[], folder: string, dockerfile: string | null): string[] {
	return [
		"build",
		"--force-rm",
		...tags.flatMap((tag) => ["--tag", tag]),
		...(dockerfile === null ? [] : ["--file", dockerfile]),
		...(build.target === null ? [] : ["--target", build.target]),
		...build.cache.flatMap((image) => ["--cache-from", image]),
		// Of an image that does not say how it was built, BuildKit takes no layer for the next one.
		...(build.push ? ["--build-arg", "BUILDKIT_INLINE_CACHE=1"] : []),
		// On the command line everybody on the machine could read their values.
		...Object.keys(build.args).flatMap((name) => ["--build-arg", name]),
		folder,
	];
}

async function run(
	{ registryEnvironment, processes, output, isStopping }: BuildContext,
	args: readonly string[],
	env: Record<string, string> = {},
): Promise<number> {
	if (isStopping()) return 1;
	// No build argument has a name that docker would heed: the language refuses those.
	const environment = { ...dockerEnvironment(), ...registryEnvironment, ...env };
	const running = await startProcess(["docker", ...args], { cwd: "/", env: environment, cgroup: processes.cgroup }, output);
	processes.add(running.pid);
	// The sweep over what runs may have come too early for this one.
	if (isStopping()) await processes.end([running.pid], 0);
	return running.exited;
}

function failed(code: string, text: string, exitCode: number | null): Outcome {
	return { state: "failed", exitCode, reason: { code, text } };
}
