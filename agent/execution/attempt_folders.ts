import { constants, lstatSync, mkdirSync, readdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Assignment } from "../../schema/wire/protocol.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { log } from "../logger.ts";
import { attemptPaths } from "./attempt_paths.ts";

/** More jobs than this hardly end within a moment. */
const MOST_SPARE = 8;

/** Every file and folder of a plain job, but the steps' scripts; each folder with its entries. */
const PLAIN: Readonly<Record<string, readonly string[] | null>> = {
	".": ["files", "steps", "t", "workspace"],
	workspace: [],
	t: [],
	files: ["env", "output", "path", "summary"],
	"files/env": null,
	"files/output": null,
	"files/path": null,
	"files/summary": null,
};

/** The type and the permissions of a folder of the agent. */
const OWN_FOLDER = constants.S_IFDIR | 0o700;

/** When each of them was changed last, and its mode, by its path. */
type Changes = ReadonlyMap<string, string>;

/** What decides which folders a job needs. */
type Needs = Pick<Assignment, "source" | "container" | "steps" | "finally">;

/**
 * Makes the folders of an attempt. Nothing here waits for another thread: it is a few entries.
 * @param folder the folder of the attempt
 */
export function makeAttemptFolders(folder: string, assignment: Needs): void {
	const { source, container } = assignment;
	const {
		steps: scripts,
		own,
		emptyHome,
		temporary,
		home,
		files,
		output,
		summary,
		variables,
		path: folders,
		workspace,
	} = attemptPaths(folder);
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	const needed = [...(source ? [emptyHome] : []), ...(container ? [home] : [])];
	if (source || container || hasBuild(assignment)) needed.push(own);
	for (const one of [workspace, files, temporary, ...needed]) mkdirSync(one, { mode: 0o700 });
	mkdirSync(scripts, { mode: container ? 0o755 : 0o700 });
	for (const file of [output, summary, variables, folders]) writeFileSync(file, "", { mode: 0o600 });
}

/**
 * The folders of the attempts of an agent. A plain job that has changed nothing in them leaves them
 * to the next one, because a dozen entries take the disk longer than the job. Every change of a file,
 * of its permissions or of its other attributes sets the time of its last change, which nobody can
 * set to a chosen value (inode(7)). The clock of that time is coarse, so the agent looks at the
 * entries once, too.
 */
export class AttemptFolders {
	readonly #folder: string;
	readonly #isEmpty: Promise<void>;
	readonly #plain = new Map<string, Changes>();
	readonly #spare: { folder: string; changes: Changes }[] = [];
	#count = 0;

	/** @param folder where it keeps folders for further attempts: an earlier agent may have left some */
	constructor(folder: string) {
		this.#folder = folder;
		this.#isEmpty = removeFolder(folder).catch((error) => log("warn", `The agent cannot remove ${folder}: ${error}`));
	}

	/** Makes the folders of an attempt, or takes those of an earlier one. */
	make(folder: string, assignment: Needs): void {
		const { source, container } = assignment;
		const isPlain = !source && !container && !hasBuild(assignment);
		const kept = isPlain ? this.#takeSpare(folder) : null;
		if (kept === null) makeAttemptFolders(folder, assignment);
		if (isPlain) this.#plain.set(folder, kept ?? changesIn(folder));
	}

	/** Removes the folders of an attempt, or keeps them for another one. */
	async remove(folder: string): Promise<void> {
		const changes = this.#plain.get(folder);
		this.#plain.delete(folder);
		await this.#isEmpty;
		if (changes && this.#spare.length < MOST_SPARE && this.#keep(folder, changes)) return;
		await removeFolder(folder);
	}

	async close(): Promise<void> {
		await this.#isEmpty;
		await removeFolder(this.#folder);
	}

	#takeSpare(folder: string): Changes | null {
		const spare = this.#spare.pop();
		if (!spare) return null;
		try {
			if (areUnchanged(spare.folder, spare.changes)) return moved(spare.folder, folder, spare.changes);
		} catch {
			// Somebody has removed it.
		}
		void removeFolder(spare.folder).catch(() => undefined);
		return null;
	}

	#keep(folder: string, changes: Changes): boolean {
		try {
			if (!areUnchanged(folder, changes) || !hasOnlyKnown(folder)) return false;
			// The agent itself changes this folder. It is the agent's own, so its permissions count.
			const { steps } = attemptPaths(folder);
			for (const script of readdirSync(steps)) unlinkSync(`${steps}/${script}`);
			if (lstatSync(steps).mode !== OWN_FOLDER) return false;
			this.#count += 1;
			mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
			const spare = path.join(this.#folder, String(this.#count));
			this.#spare.push({ folder: spare, changes: moved(folder, spare, changes) });
			return true;
		} catch {
			return false;
		}
	}
}

function hasBuild({ steps, finally: last }: Needs): boolean {
	return [...steps, ...(last?.steps ?? [])].some((step) => step.build);
}

/** Moves a folder, which is a change of its own. @returns the changes in it from now on */
function moved(from: string, to: string, changes: Changes): Changes {
	renameSync(from, to);
	return new Map([...changes, [".", changeOf(to, ".")]]);
}

function changesIn(folder: string): Changes {
	return new Map(Object.keys(PLAIN).map((name) => [name, changeOf(folder, name)]));
}

function changeOf(folder: string, name: string): string {
	const { ctimeMs, mode } = lstatSync(`${folder}/${name}`);
	return `${ctimeMs} ${mode}`;
}

function areUnchanged(folder: string, changes: Changes): boolean {
	return Object.keys(PLAIN).every((name) => changeOf(folder, name) === changes.get(name));
}

/** Whether the folder has no other entries, and no content in its files. */
function hasOnlyKnown(folder: string): boolean {
	return Object.entries(PLAIN).every(([name, entries]) => {
		const known = `${folder}/${name}`;
		return entries === null ? lstatSync(known).size === 0 : String(readdirSync(known).sort()) === String(entries);
	});
}
