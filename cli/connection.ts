import type { Readable } from "node:stream";
import type { Command } from "commander";
import type { Dispatcher } from "undici";
import { ApiError, ERROR_STATUS, type ErrorCode, errorBody } from "../schema/wire/errors.ts";
import { ownSecret } from "./own_secrets.ts";
import { findProfile } from "./profiles.ts";
import { UsageError } from "./usage_error.ts";

/** Requests of the commands to a coordinator. */

export interface ConnectionFlags {
	server?: string;
	apiToken?: string;
	profile?: string;
}

export const DEFAULT_SERVER = "http://127.0.0.1:7070";

/** Adds the options of the coordinator's address and token to a command. */
export function withConnection(command: Command): Command {
	return command
		.option("--server <url>", `the coordinator's address (WINDLASS_SERVER; default: ${DEFAULT_SERVER})`)
		.option("--profile <name>", "one of the coordinators that you have signed in to with windlass login (WINDLASS_PROFILE)")
		.option(
			"--api-token <token>",
			"the token; other users see it in the process list, so better set WINDLASS_API_TOKEN (or WINDLASS_ADMIN_TOKEN)",
		);
}

/** The address of the options and variables. @throws UsageError */
export function serverOf({ server: given }: Pick<ConnectionFlags, "server">): string {
	const server = (given ?? (process.env.WINDLASS_SERVER || DEFAULT_SERVER)).replace(/\/+$/, "");
	if (!URL.canParse(server)) throw new UsageError(`--server: "${server}" is not an address like ${DEFAULT_SERVER}`);
	return server;
}

/** The name of the profile that the options or variables name. */
export function profileOf({ profile }: Pick<ConnectionFlags, "profile">): string | undefined {
	return profile ?? (process.env.WINDLASS_PROFILE || undefined);
}

/** No server answers, or one that is no coordinator: the coordinator may be restarting. */
export class NoAnswer extends UsageError {}

interface RequestOptions {
	method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	json?: unknown;
	/** A body with its media type. */
	body?: { type: string; bytes: string | Uint8Array | Readable; length?: number };
	headers?: Record<string, string>;
}

const NO_TOKEN = "none";

/**
 * The coordinator and the token: of the option, of a profile by its name, of the variables, and at
 * last of the current profile. The token of a profile goes only to its server.
 */
function chosen(flags: ConnectionFlags): { server: string; token: string } {
	const name = profileOf(flags);
	const own = flags.apiToken ?? (name === undefined ? (ownSecret("WINDLASS_API_TOKEN") ?? ownSecret("WINDLASS_ADMIN_TOKEN")) : undefined);
	const isServerNamed = flags.server !== undefined || Boolean(process.env.WINDLASS_SERVER);
	if (own !== undefined) {
		const named = name === undefined || isServerNamed ? null : findProfile(name);
		return { server: named?.server ?? serverOf(flags), token: own };
	}
	const profile = findProfile(name);
	if (profile && (!isServerNamed || serverOf(flags) === profile.server)) return profile;
	throw new UsageError(
		profile === null
			? "The coordinator needs a token. Run windlass login, or set WINDLASS_API_TOKEN. The coordinator printed an admin token at its first start."
			: `You are signed in to ${profile.server}, and not to ${serverOf(flags)}. Run: windlass login --server ${serverOf(flags)} --profile NAME`,
	);
}

/** A coordinator, called with a person's token. */
export class Connection {
	readonly server: string;
	readonly #token: string;

	/** @throws UsageError without a token */
	constructor(flags: ConnectionFlags) {
		const { server, token } = chosen(flags);
		this.server = server;
		this.#token = token;
	}

	/** A connection for what needs no token. */
	static withoutToken(server: string): Connection {
		return new Connection({ server, apiToken: NO_TOKEN });
	}

	/**
	 * The answer's body as JSON.
	 * @throws ApiError for an error of the coordinator, NoAnswer if no coordinator answers
	 */
	async json<Value>(path: string, options: RequestOptions = {}): Promise<Value> {
		const { body } = await this.#send(path, options);
		return (await body.json().catch((error) => {
			throw this.#noAnswer(error);
		})) as Value;
	}

	/** A request whose answer has no body. */
	async send(path: string, options: RequestOptions): Promise<void> {
		await (await this.#send(path, options)).body.dump();
	}

	async text(path: string): Promise<string> {
		const { body } = await this.#send(path, {});
		return body.text();
	}

	/** The answer's body as it comes, without a time limit. */
	async stream(path: string, options: RequestOptions = {}): Promise<Readable> {
		return (await this.#send(path, options)).body;
	}

	/**
	 * The body at an address from an answer: such an address begins with the path of the public
	 * address, if that has one.
	 */
	async download(address: string): Promise<Readable> {
		const { pathname } = new URL(this.server);
		const isWhole = pathname !== "/" && address.startsWith(`${pathname}/`);
		return this.stream(isWhole ? address.slice(pathname.length) : address);
	}

	async #send(path: string, { method = "GET", json, body, headers }: RequestOptions) {
		const options = {
			method,
			headersTimeout: 0,
			bodyTimeout: 0,
			headers: {
				...(this.#token === NO_TOKEN ? {} : { Authorization: `Bearer ${this.#token}` }),
				...(json === undefined ? {} : { "Content-Type": "application/json" }),
				...(body ? { "Content-Type": body.type } : {}),
				...(body?.length === undefined ? {} : { "Content-Length": String(body.length) }),
				...headers,
			},
			body: json === undefined ? (body?.bytes ?? null) : JSON.stringify(json),
		};
		let answer: Dispatcher.ResponseData;
		// Loaded here: `serve` needs only the options.
		const { request } = await import("undici");
		try {
			answer = await request(this.server + path, options);
		} catch (error) {
			throw this.#noAnswer(error);
		}
		if (answer.statusCode < 300) return answer;
		throw errorOf(answer.statusCode, await answer.body.text());
	}

	#noAnswer(error: unknown): NoAnswer {
		return new NoAnswer(
			`The coordinator at ${this.server} does not answer: ${(error as Error).message || (error as { code?: string }).code}. Start it, or set --server.`,
		);
	}
}

function errorOf(status: number, text: string): Error {
	try {
		const parsed = errorBody.parse(JSON.parse(text));
		if (parsed.error in ERROR_STATUS) return new ApiError(parsed.error as ErrorCode, parsed.message, parsed);
	} catch {
		// No error of a coordinator, such as a proxy's page.
	}
	return new NoAnswer(`The answer with status ${status} is not from a coordinator. Check --server, and the proxy in front of it.`);
}
