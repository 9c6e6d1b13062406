import { execFile } from "node:child_process";
import { cp, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { UsageError } from "../usage_error.ts";
import { DISTRIBUTION } from "./distribution.ts";

const git = promisify(execFile);
const EXAMPLE = path.join(DISTRIBUTION, "../examples/hello");

/**
 * Makes a git repository of the bundled example.
 * @returns the submission that runs it
 * @throws UsageError without git
 */
export async function exampleSubmission(
	repository: string,
): Promise<{ pipeline: string; source: { git: string; ref: string }; project: string }> {
	await rm(repository, { recursive: true, force: true });
	await cp(EXAMPLE, repository, { recursive: true });
	const identity = ["-c", "user.name=Windlass", "-c", "user.email=example@windlass.invalid", "-c", "commit.gpgsign=false"];
	try {
		await git("git", ["init", "--quiet", "--initial-branch=main"], { cwd: repository });
		await git("git", ["add", "--all"], { cwd: repository });
		await git("git", [...identity, "commit", "--quiet", "--message=Say hello"], { cwd: repository });
	} catch (error) {
		throw new UsageError(`The bundled example needs git: ${(error as Error).message.split("\n", 1)[0]}`);
	}
	const pipeline = await readFile(path.join(EXAMPLE, ".windlass.yml"), "utf8");
	return { pipeline, source: { git: repository, ref: "main" }, project: "hello" };
}
