import { Readable } from "node:stream";
import type { Command } from "commander";
import { ApiError } from "../schema/wire/errors.ts";
import { TEAM_HEADER } from "../schema/wire/teams.ts";
import { askCoordinator, noAnswer, type RequestOptions } from "./coordinator_request.ts";
import { ownSecret } from "./own_secrets.ts";
import { findProfile } from "./profiles.ts";
import { tokenOfProfile } from "./signed_in.ts";
import { UsageError } from "./usage_error.ts";

export { NoAnswer } from "./coordinator_request.ts";

/** The coordinator that a command calls, and the token with which it does. */

export interface ConnectionFlags {
	server?: string;
	apiToken?: string;
	profile?: string;
	/** Null: the own team, whatever WINDLASS_TEAM says. */
	team?: string | null;
}

export const DEFAULT_SERVER = "http://127.0.0.1:7070";

/** Adds the options of the coordinator's address and token to a command. */
export function withConnection(command: Command): Command {
	return command
		.option("--server <url>", `the coordinator's address (WINDLASS_SERVER; default: ${DEFAULT_SERVER})`)
		.option("--profile <name>", "one of the coordinators that you have signed in to with windlass login (WINDLASS_PROFILE)")
		.option("--team <slug>", "another team than your own, for operators (WINDLASS_TEAM)")
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

const NO_TOKEN = "none";
/** The token of the next request, which is not the one that was just rejected, if there is another. */
type TokenSource = (rejected: string | null) => Promise<string>;

/**
 * The coordinator and the token: of the option, of a profile by its name, of the variables, and at
 * last of the current profile. The token of a profile goes only to its server.
 */
function chosen(flags: ConnectionFlags): { server: string; token: TokenSource } {
	const name = profileOf(flags);
	const own = flags.apiToken ?? (name === undefined ? (ownSecret("WINDLASS_API_TOKEN") ?? ownSecret("WINDLASS_ADMIN_TOKEN")) : undefined);
	const isServerNamed = flags.server !== undefined || Boolean(process.env.WINDLASS_SERVER);
	if (own !== undefined) {
		const named = name === undefined || isServerNamed ? null : findProfile(name);
		return { server: named?.profile.server ?? serverOf(flags), token: async () => own };
	}
	const found = findProfile(name);
	if (found && (!isServerNamed || serverOf(flags) === found.profile.server)) {
		return { server: found.profile.server, token: (rejected) => tokenOfProfile(found.name, found.profile, rejected) };
	}
	throw new UsageError(
		found === null
			? "The coordinator needs a token. Run windlass login, or set WINDLASS_API_TOKEN. The coordinator printed an admin token at its first start."
			: `You are signed in to ${found.profile.server}, and not to ${serverOf(flags)}. Run: windlass login --server ${serverOf(flags)} --profile NAME`,
	);
}

/** A coordinator, called with a person's token. */
export class Connection {
	readonly server: string;
	readonly #token: TokenSource;
	readonly #headers: Readonly<Record<string, string>>;

	/** @throws UsageError without a token */
	constructor(flags: ConnectionFlags) {
		const { server, token } = chosen(flags);
		this.server = server;
		this.#token = token;
		if (flags.team === "") throw new UsageError("--team is empty. Name a team, or leave it out.");
		const team = flags.team === null ? null : (flags.team ?? (process.env.WINDLASS_TEAM || null));
		this.#headers = team === null ? {} : { [TEAM_HEADER]: team };
	}

	/** A connection for what needs no token. */
	static withoutToken(server: string): Connection {
		return new Connection({ server, apiToken: NO_TOKEN, team: null });
	}

	/**
	 * The answer's body as JSON.
	 * @throws ApiError for an error of the coordinator, NoAnswer if no coordinator answers
	 */
	async json<Value>(path: string, options: RequestOptions = {}): Promise<Value> {
		const { body } = await this.#send(path, options);
		return (await body.json().catch((error) => {
			throw noAnswer(this.server, error);
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

	async #send(path: string, options: RequestOptions) {
		const ask = (token: string) =>
			askCoordinator(this.server, path, token === NO_TOKEN ? null : token, {
				...options,
				headers: { ...this.#headers, ...options.headers },
			});
		const token = await this.#token(null);
		try {
			return await ask(token);
		} catch (error) {
			const isRejected = error instanceof ApiError && error.code === "authentication_required";
			// What was read from a stream is gone.
			if (!isRejected || options.body?.bytes instanceof Readable) throw error;
			const next = await this.#token(token);
			if (next === token) throw error;
			return ask(next);
		}
	}
}
