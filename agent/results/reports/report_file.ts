import type { ConfinedFolder } from "../../files/confined_folder.ts";
import { decodeText, decodeXml } from "./decode_text.ts";

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

	/** @throws ConfinedFileError if it is no longer a regular file in the workspace */
	async text(): Promise<string> {
		return decodeText(await this.#bytes());
	}

	/**
	 * The text of an XML document.
	 * @throws ConfinedFileError as `text` does; ReportError for an unknown encoding
	 */
	async xml(): Promise<string> {
		return decodeXml(await this.#bytes());
	}

	/** @throws ConfinedFileError as `text` does */
	async *lines(): AsyncGenerator<string> {
		const text = await this.text();
		for (let from = 0; from < text.length; ) {
			const next = text.indexOf("\n", from);
			const end = next === -1 ? text.length : next;
			yield text.slice(from, text[end - 1] === "\r" && end > from ? end - 1 : end);
			from = end + 1;
		}
	}

	async #bytes(): Promise<Buffer> {
		return (await this.#workspace.readUpTo(this.name, this.size)).bytes;
	}
}
