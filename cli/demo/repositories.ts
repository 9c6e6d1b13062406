import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { DISTRIBUTION } from "../coordinator/distribution.ts";
import { UsageError } from "../usage_error.ts";
import { PEOPLE } from "./people.ts";
import type { Change, DemoProject } from "./projects.ts";

/** The git repositories of the content. `git fast-import` makes each in one call. */

const run = promisify(execFile);
/** A folder of files for each project. */
const FILES = path.join(DISTRIBUTION, "../examples/demo");
const OWNER = "acme";
const MINUTE_MS = 60_000;

/** A commit that is in a repository. */
export interface Commit extends Pick<Change, "author" | "subject"> {
	sha: string;
	/** Milliseconds since 1970. */
	at: number;
}

export interface Repository {
	/** `acme/web` */
	name: string;
	/** Commits of the default branch before today. */
	past: Commit[];
	/** Commits of the default branch of today. */
	pushed: Commit[];
	/** The commits of each branch that its parent does not have. */
	branches: Map<string, Commit[]>;
}

/**
 * Makes the repository of a project.
 * @param folder where the repositories of all projects are
 * @param times when each of the past commits was made
 * @throws UsageError without git
 */
export async function makeRepository(folder: string, project: DemoProject, times: readonly number[]): Promise<Repository> {
	const name = `${OWNER}/${project.name}`;
	const bare = path.join(folder, `${name}.git`);
	await mkdir(bare, { recursive: true });
	const today = Date.now();
	const stream = new ImportStream();
	for (const [file, content, isExecutable] of await filesOf(project.name)) stream.file(file, content, isExecutable);
	const past = project.past.map(([author, subject], index) => ({ author, subject, at: times[index] ?? today }));
	for (const change of past) stream.commit("refs/heads/main", change);
	const fork = stream.newest;
	const pushed = project.pushed.map((change, index) => ({ ...change, at: today - (project.pushed.length - index) * 20 * MINUTE_MS }));
	for (const change of pushed) stream.commit("refs/heads/main", change);
	for (const { name: branch, changes, pullRequest } of project.branches) {
		const ref = pullRequest?.fork ? `refs/pull/${pullRequest.number}/head` : `refs/heads/${branch}`;
		stream.branch(ref, fork);
		for (const change of changes) stream.commit(ref, { ...change, at: today - MINUTE_MS });
		if (pullRequest && !pullRequest.fork) stream.branch(`refs/pull/${pullRequest.number}/head`, stream.newest);
	}
	const ids = await importInto(bare, stream);
	const next = (change: Pick<Change, "author" | "subject"> & { at: number }): Commit => {
		const { author, subject, at } = change;
		return { author, subject, at, sha: ids.shift() as string };
	};
	return {
		name,
		past: past.map(next),
		pushed: pushed.map(next),
		branches: new Map(
			project.branches.map(({ name: branch, changes }) => [branch, changes.map((change) => next({ ...change, at: today }))]),
		),
	};
}

/** Imports the commits. @returns their ids, in their order */
async function importInto(bare: string, stream: ImportStream): Promise<string[]> {
	const marks = path.join(bare, "marks");
	try {
		await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", bare]);
		const importing = run("git", ["fast-import", "--quiet", `--export-marks=${marks}`], { cwd: bare });
		importing.child.stdin?.end(stream.text);
		await importing;
	} catch (error) {
		throw new UsageError(`The content of the demo needs git: ${(error as Error).message.split("\n", 1)[0]}`);
	}
	const lines = (await readFile(marks, "utf8")).trim().split("\n");
	const byMark = lines.map((line) => /^:(\d+) (\w+)$/.exec(line)).map((match) => [Number(match?.[1]), match?.[2] ?? ""] as const);
	return byMark.sort(([one], [other]) => one - other).map(([, sha]) => sha);
}

async function filesOf(project: string): Promise<[file: string, content: Buffer, isExecutable: boolean][]> {
	const folder = path.join(FILES, project);
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	return Promise.all(
		entries
			.filter((entry) => entry.isFile())
			.map(async (entry) => {
				const file = path.join(entry.parentPath, entry.name);
				const isExecutable = ((await stat(file)).mode & 0o100) !== 0;
				return [path.relative(folder, file), await readFile(file), isExecutable];
			}),
	);
}

/** The input of `git fast-import`. */
class ImportStream {
	readonly #parts: Buffer[] = [];
	/** Files of the next commit. */
	#files: Buffer[] = [];
	#mark = 0;

	get text(): Buffer {
		return Buffer.concat(this.#parts);
	}

	/** The mark of the newest commit. */
	get newest(): number {
		return this.#mark;
	}

	/** Adds a file to the next commit. */
	file(name: string, content: Buffer, isExecutable: boolean): void {
		this.#files.push(Buffer.from(`M ${isExecutable ? "100755" : "100644"} inline ${name}\n`), data(content), Buffer.from("\n"));
	}

	commit(ref: string, { author, subject, files = {}, at }: Change & { at: number }): void {
		this.#mark += 1;
		for (const [name, content] of Object.entries({ ...files, "CHANGES.md": `Newest change: ${subject} (${this.#mark})\n` }))
			this.file(name, Buffer.from(content), false);
		const when = `${PEOPLE[author]} ${Math.floor(at / 1000)} +0000`;
		const head = `commit ${ref}\nmark :${this.#mark}\nauthor ${when}\ncommitter ${when}\n`;
		this.#parts.push(Buffer.from(head), data(Buffer.from(`${subject}\n`)), ...this.#files, Buffer.from("\n"));
		this.#files = [];
	}

	branch(ref: string, mark: number): void {
		this.#parts.push(Buffer.from(`reset ${ref}\nfrom :${mark}\n\n`));
	}
}

function data(content: Buffer): Buffer {
	return Buffer.concat([Buffer.from(`data ${content.byteLength}\n`), content]);
}
