import { createInterface } from "node:readline";
import type { ConfinedFolder } from "../confined_files.ts";

/** A report in the workspace. It is read up to the size that it had when it was found. */
export class ReportFile {
	readonly name: string;
	readonly size: number;
	readonly #workspace: ConfinedFolder;

	constructor(workspace: ConfinedFolder, name: string, size: number) {
		this.#workspace = workspace;
		this.name = name;
		this.size = size;
	}

	/** @throws ConfinedFileError for what is no longer a regular file of the workspace */
	async text(): Promise<string> {
		const { bytes } = await this.#workspace.readUpTo(this.name, this.size);
		return bytes.toString("utf8");
	}

	/** @throws ConfinedFileError as `text` does */
	async *lines(): AsyncGenerator<string> {
		if (this.size === 0) return;
		const input = await this.#workspace.stream(this.name, { start: 0, end: this.size - 1 });
		try {
			yield* createInterface({ input: input.setEncoding("utf8"), crlfDelay: Number.POSITIVE_INFINITY });
		} finally {
			input.destroy();
		}
	}
}
