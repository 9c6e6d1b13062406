import type { Readable } from "node:stream";
import type { Command } from "commander";
import { request } from "undici";
import { ApiError, ERROR_STATUS, type ErrorCode, errorBody } from "../schema/wire/errors.ts";
import { ownSecret } from "./own_secrets.ts";
import { UsageError } from "./usage_error.ts";

/** The commands' way to a coordinator. */

export interface ConnectionFlags {
	server?: string;
	apiToken?: string;
}

export const DEFAULT_SERVER = "http://127.0.0.1:7070";

/** Adds the options by which a command finds its coordinator. */
export function withConnection(command: Command): Command {
	return command
		.option("--server <url>", `the coordinator's address (WINDLASS_SERVER; default: ${DEFAULT_SERVER})`)
		.option("--api-token <token>", "a token for it (better: WINDLASS_API_TOKEN, or WINDLASS_ADMIN_TOKEN)");
}

/** Nobody answers, or somebody who is no coordinator: it may be restarting. */
export class NoAnswer extends UsageError {}

interface Asked {
	method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	json?: unknown;
	/** A body with its media type. */
	body?: { type: string; bytes: string | Uint8Array | Readable; length?: number };
	headers?: Record<string, string>;
}

/** A coordinator that is asked with a person's token. */
export class Connection {
	readonly server: string;
	readonly #token: string;

	constructor(flags: ConnectionFlags) {
		this.server = (flags.server ?? process.env.WINDLASS_SERVER ?? DEFAULT_SERVER).replace(/\/+$/, "");
		if (!URL.canParse(this.server)) throw new UsageError(`--server: ${this.server} is not an address like ${DEFAULT_SERVER}`);
		this.#token = flags.apiToken ?? ownSecret("WINDLASS_API_TOKEN") ?? ownSecret("WINDLASS_ADMIN_TOKEN") ?? "";
		if (this.#token === "")
			throw new UsageError("a token is needed: set WINDLASS_API_TOKEN (the admin token was printed at the coordinator's first start)");
	}

	/** The answer's body as JSON. @throws ApiError for a refusal, NoAnswer where nobody answers */
	async json<Value>(path: string, asked: Asked = {}): Promise<Value> {
		const { body } = await this.#send(path, asked);
		return (await body.json().catch((error) => {
			throw this.#noAnswer(error);
		})) as Value;
	}

	/** For an answer that says nothing more. */
	async send(path: string, asked: Asked): Promise<void> {
		await (await this.#send(path, asked)).body.dump();
	}

	async text(path: string): Promise<string> {
		const { body } = await this.#send(path, {});
		return body.text();
	}

	/** The answer's body as it comes, for as long as it takes. */
	async stream(path: string, asked: Asked = {}): Promise<Readable> {
		return (await this.#send(path, asked)).body;
	}

	/** What is behind an address that an answer names: it has the path of the server's public address already, if there is one. */
	async download(address: string): Promise<Readable> {
		const { pathname } = new URL(this.server);
		const isWhole = pathname !== "/" && address.startsWith(`${pathname}/`);
		return this.stream(isWhole ? address.slice(pathname.length) : address);
	}

	async #send(path: string, { method = "GET", json, body, headers }: Asked) {
		const options = {
			method,
			headersTimeout: 0,
			bodyTimeout: 0,
			headers: {
				Authorization: `Bearer ${this.#token}`,
				...(json === undefined ? {} : { "Content-Type": "application/json" }),
				...(body ? { "Content-Type": body.type } : {}),
				...(body?.length === undefined ? {} : { "Content-Length": String(body.length) }),
				...headers,
			},
			body: json === undefined ? (body?.bytes ?? null) : JSON.stringify(json),
		};
		let answer: Awaited<ReturnType<typeof request>>;
		try {
			answer = await request(this.server + path, options);
		} catch (error) {
			throw this.#noAnswer(error);
		}
		if (answer.statusCode < 300) return answer;
		throw refusal(answer.statusCode, await answer.body.text());
	}

	#noAnswer(error: unknown): NoAnswer {
		return new NoAnswer(`${this.server} does not answer: ${(error as Error).message || (error as { code?: string }).code}`);
	}
}

function refusal(status: number, text: string): Error {
	try {
		const parsed = errorBody.parse(JSON.parse(text));
		if (parsed.error in ERROR_STATUS) return new ApiError(parsed.error as ErrorCode, parsed.message, parsed);
	} catch {
		// Not the coordinator's own answer.
	}
	return new NoAnswer(`the answer is not a coordinator's: status ${status}`);
}
