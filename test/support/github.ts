import { generateKeyPairSync, type KeyObject, randomBytes, verify } from "node:crypto";
import type { ServerResponse } from "node:http";
import { RecordingServer, type Told } from "./forge.ts";
import type { AtEnd } from "./processes.ts";

/**
 * The part of GitHub's API that Apps use: it checks their signatures as GitHub does, gives out
 * tokens for an hour, and takes commit statuses and questions with a valid token only.
 */
export class GitHubApi {
	/** The installation of the App, by repository. */
	readonly installations = new Map<string, number>();
	/** The valid tokens and the repositories of each. */
	readonly tokens = new Map<string, string[]>();
	readonly revoked: string[] = [];
	/** With a status, every request for a token gets it. */
	refusal: number | null = null;
	/** Receives the requests. What it was told are those that the API takes. */
	readonly server: RecordingServer;
	readonly privateKeys: { pkcs1: string; pkcs8: string };
	readonly #publicKey: KeyObject;
	readonly #app: string;

	private constructor(server: RecordingServer, app: string) {
		const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
		const pem = (type: "pkcs1" | "pkcs8") => privateKey.export({ type, format: "pem" }).toString();
		this.privateKeys = { pkcs1: pem("pkcs1"), pkcs8: pem("pkcs8") };
		this.#publicKey = publicKey;
		this.#app = app;
		this.server = server;
		server.respond = (told, response) => this.#answer(told, response);
	}

	static async start(app: string, atEnd: AtEnd): Promise<GitHubApi> {
		return new GitHubApi(await RecordingServer.start(atEnd), app);
	}

	/** @returns false for what the server shall keep as told, and answer with 201 */
	#answer({ path, headers, body, method }: Told, response: ServerResponse): boolean {
		const json = (status: number, value: object) => {
			response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
			return true;
		};
		const token = /^Bearer (.+)$/.exec(String(headers.authorization))?.[1] ?? "";
		const [, owner, name] = /^\/repos\/([^/]+)\/([^/]+)\//.exec(path) ?? [];
		if (path.endsWith("/installation") && method === "GET") {
			if (this.refusal !== null) return json(this.refusal, { message: "The service is not in the mood" });
			if (!this.#isOfApp(token)) return json(401, { message: "A JSON web token could not be decoded" });
			const id = this.installations.get(`${owner}/${name}`);
			return id === undefined ? json(404, { message: "Not Found" }) : json(200, { id });
		}
		const [, id] = /^\/app\/installations\/(\d+)\/access_tokens$/.exec(path) ?? [];
		if (id !== undefined && method === "POST") {
			if (!this.#isOfApp(token)) return json(401, { message: "A JSON web token could not be decoded" });
			const made = `ghs_${randomBytes(18).toString("hex")}`;
			this.tokens.set(made, body.repositories as string[]);
			return json(201, { token: made, expires_at: new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "") });
		}
		const repositories = this.tokens.get(token);
		if (!repositories) return json(401, { message: "Bad credentials" });
		if (path === "/installation/token" && method === "DELETE") {
			this.tokens.delete(token);
			this.revoked.push(token);
			response.writeHead(204).end();
			return true;
		}
		if (path === "/installation/repositories") return json(200, { repositories });
		return repositories.includes(name ?? "") ? false : json(404, { message: "Not Found" });
	}

	/** Whether a token is a JWT of the App: signed by its key, of now, and for ten minutes at most. */
	#isOfApp(token: string): boolean {
		const [head = "", payload = "", signature = ""] = token.split(".");
		const signed = Buffer.from(`${head}.${payload}`);
		if (!verify("sha256", signed, this.#publicKey, Buffer.from(signature, "base64url"))) return false;
		const { iss, iat, exp } = JSON.parse(Buffer.from(payload, "base64url").toString());
		const now = Date.now() / 1000;
		return String(iss) === this.#app && iat <= now && exp > now && exp - iat <= 600;
	}
}
