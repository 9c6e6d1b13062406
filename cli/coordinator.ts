import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { sha256 } from "../agent/files/hashing.ts";
import { sleep } from "../agent/sleep.ts";
import { renewTimeoutFor } from "../schema/wire/lease_rule.ts";
import { DEFAULT_MAX_LOG_BYTES } from "../schema/wire/limits.ts";
import type { LogLevel } from "../schema/wire/log_levels.ts";
import type { DataFolder } from "./data_folder.ts";
import { diskError, type FreeSpace } from "./disk.ts";
import { UsageError } from "./failures.ts";
import { endOrphans, Host, migrateDatabase } from "./host.ts";
import type { Log } from "./log.ts";
import { Outbound, type OutboundRules } from "./outbound.ts";

/** dist/, where this program lies in dist/cli/. */
export const DISTRIBUTION = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const SIGN_IN_LINK_MS = 10 * 60_000;
/** What agents need to hear of a planned stop and poll again. */
const STOP_NOTICE_MS = 300;
const STOP_PATIENCE_MS = 5_000;
const STOP_RETRY_MS = 100;
const DISK_LOOK_MS = 10_000;
const PORT_PATIENCE_MS = 2_000;
const PORT_RETRY_MS = 50;
const TEAM = "default";
const LEAST_TOKEN_LENGTH = 32;

/** The queue's times, in milliseconds; names and defaults are in docs/operations.md. */
export interface QueueTimes {
	leaseTtlMs: number;
	renewMs: number;
	killGraceMs: number;
}

export interface CoordinatorOptions {
	host: string;
	port: number;
	publicUrl: string | null;
	/** Addresses and networks of proxies that say in a header whom they speak for. */
	trustedProxies: readonly string[];
	/** The master key in base64, and the one before it while secrets are encrypted with that one. */
	masterKey: { present: string; before: string | null };
	/** A preset admin token; null: one is made at the first start. */
	adminToken: string | null;
	times: QueueTimes;
	limits: Limits;
	outbound: OutboundRules;
	data: DataFolder;
	log: Log;
	logLevel: LogLevel;
}

/** How much and for how long: bytes and milliseconds. */
export interface Limits {
	maxLogBytes: number;
	keepRunsMs: number;
	keepLogsMs: number;
	keepArtifactsMs: number;
	/** Below this nothing new is accepted. */
	freeDisk: FreeSpace;
}

const DAY_MS = 24 * 60 * 60_000;

export const DEFAULT_TIMES: QueueTimes = { leaseTtlMs: 60_000, renewMs: 10_000, killGraceMs: 10_000 };
export const DEFAULT_LIMITS: Limits = {
	maxLogBytes: DEFAULT_MAX_LOG_BYTES,
	keepRunsMs: 90 * DAY_MS,
	keepLogsMs: 30 * DAY_MS,
	keepArtifactsMs: 14 * DAY_MS,
	freeDisk: { percent: 5 },
};

/** A coordinator that serves: the Worker on its host, with everything it needs to be talked to. */
export class Coordinator {
	readonly #host: Host;
	readonly #secret: string;
	#watch: NodeJS.Timeout | undefined;
	/** Where this machine reaches it. */
	readonly localUrl: string;
	/** Where links point to. */
	readonly url: string;
	/** Where other machines reach it, if it listens on all addresses and no public one is set. */
	readonly otherUrls: readonly string[];
	/** The admin token, if it was made just now: it is shown once. */
	readonly newAdminToken: string | null;
	/** Where a browser signs in, once. */
	readonly signInUrl: string;
	/** Whether all secrets were encrypted with the present master key when it was started. */
	hasRotated = false;

	private constructor(
		host: Host,
		secret: string,
		addresses: { localUrl: string; url: string; otherUrls: readonly string[] },
		newAdminToken: string | null,
		signInUrl: string,
	) {
		this.#host = host;
		this.#secret = secret;
		this.localUrl = addresses.localUrl;
		this.url = addresses.url;
		this.otherUrls = addresses.otherUrls;
		this.newAdminToken = newAdminToken;
		this.signInUrl = signInUrl;
	}

	/**
	 * Starts the coordinator; when this returns it serves, and its data is of this version.
	 * @throws UsageError for a port that is taken
	 */
	static async start(options: CoordinatorOptions): Promise<Coordinator> {
		const { data, host: address, times, limits, log } = options;
		/** Undefined: the Worker was told nothing yet. */
		let toldDisk: string | null | undefined;
		const secret = randomBytes(32).toString("hex");
		endOrphans(data.path);
		const port = await freePort(address, options.port);
		const localUrl = `http://${isWildcard(address) ? "127.0.0.1" : bracketed(address)}:${port}`;
		const url = (options.publicUrl ?? localUrl).replace(/\/$/, "");
		const otherUrls = options.publicUrl === null ? machineAddresses(address).map((one) => `http://${bracketed(one)}:${port}`) : [];
		const host = await Host.start({
			distribution: DISTRIBUTION,
			storage: data.storage,
			socket: { host: address, port },
			mark: data.path,
			outbound: new Outbound(options.outbound),
			bindings: {
				SIGNING_KEY: data.signingKey,
				...(data.signingKeyBefore === null
					? {}
					: { SIGNING_KEY_BEFORE: data.signingKeyBefore.signing, SIGNING_KEY_BEFORE_UNTIL: String(data.signingKeyBefore.until) }),
				HOST_SECRET: secret,
				MASTER_KEY: options.masterKey.present,
				...(options.masterKey.before === null ? {} : { MASTER_KEY_BEFORE: options.masterKey.before }),
				BOOT_ID: randomUUID(),
				PUBLIC_URL: options.publicUrl ?? "",
				LOCAL_URL: localUrl,
				TRUSTED_PROXIES: options.trustedProxies.join(","),
				LEASE_TTL_MS: String(times.leaseTtlMs),
				RENEW_MS: String(times.renewMs),
				RENEW_TIMEOUT_MS: String(renewTimeoutFor(times.renewMs)),
				KILL_GRACE_MS: String(times.killGraceMs),
				POLL_HOLD_MS: "55000",
				LOG_SHARDS: "4",
				MAX_LOG_BYTES: String(limits.maxLogBytes),
				KEEP_RUNS_MS: String(limits.keepRunsMs),
				KEEP_LOGS_MS: String(limits.keepLogsMs),
				KEEP_ARTIFACTS_MS: String(limits.keepArtifactsMs),
				LOG_LEVEL: options.logLevel,
			},
			onLog: (text, level) => log.pass(text, level),
			onRestart: () => {
				log.write("warn", "workerd had stopped and was started again");
				// What it was told of the disk it has forgotten.
				toldDisk = undefined;
			},
		});
		try {
			const database = await host.database();
			await migrateDatabase(database, path.join(DISTRIBUTION, "migrations"));
			const { token, tokenId } = await ensureAdminToken(database, options.adminToken);
			if (options.adminToken !== null && isGuessable(options.adminToken))
				log.write("warn", `WINDLASS_ADMIN_TOKEN has fewer than ${LEAST_TOKEN_LENGTH} characters and can be guessed: set a longer one`);
			if (data.exposure !== null) log.write("warn", data.exposure);
			const code = randomBytes(24).toString("base64url");
			await database
				.prepare("INSERT INTO sign_in_links (hash, token_id, expires_at) VALUES (?, ?, ?)")
				.bind(sha256(code), tokenId, Date.now() + SIGN_IN_LINK_MS)
				.run();
			await database.prepare("DELETE FROM sign_in_links WHERE expires_at < ?").bind(Date.now()).run();
			const coordinator = new Coordinator(host, secret, { localUrl, url, otherUrls }, token, `${url}/sign-in?code=${code}`);
			await coordinator.#post("/api/v1/host/prepare");
			if (options.masterKey.before !== null) coordinator.hasRotated = await coordinator.#rotateSecrets(log);
			const lookAtDisk = async () => {
				const fault = await diskError(data.path, limits.freeDisk);
				if (fault === null && toldDisk === null) return;
				await coordinator.#post("/api/v1/host/disk", { fault });
				const wasFull = (toldDisk ?? null) !== null;
				if ((fault !== null) !== wasFull) log.write("warn", fault ?? "there is room on the disk again");
				toldDisk = fault;
			};
			await lookAtDisk();
			coordinator.#watch = setInterval(
				() => void lookAtDisk().catch((error) => log.write("warn", "the disk cannot be looked at", { error: String(error) })),
				DISK_LOOK_MS,
			);
			return coordinator;
		} catch (error) {
			await host.stop();
			throw error;
		}
	}

	/** Encrypts every secret with the present master key. One that cannot be read keeps nobody from all the rest. */
	async #rotateSecrets(log: Log): Promise<boolean> {
		try {
			const { secrets } = JSON.parse(await this.#post("/api/v1/secrets/rotate"));
			log.write("info", "the secrets are encrypted with the new master key; the one before is needed no more", { secrets });
			return true;
		} catch (error) {
			log.write("warn", "the secrets are not encrypted with the new master key; the one before is still needed", { error: String(error) });
			return false;
		}
	}

	/** A registration token for one agent. */
	async registrationToken(): Promise<string> {
		return JSON.parse(await this.#post("/api/v1/agent-tokens", { uses: 1, expires_in: "1h" })).token;
	}

	/** Submits a run in the coordinator's own name. @returns the run's id */
	async submit(submission: unknown): Promise<string> {
		return JSON.parse(await this.#post("/api/v1/runs", submission)).id;
	}

	/** Reads from the API in the coordinator's own name. */
	async get(address: string): Promise<string> {
		const { status, text } = await this.#host.ask(this.localUrl + address, { method: "GET", headers: this.#headers() });
		if (status >= 300) throw new Error(`GET ${address}: ${text}`);
		return text;
	}

	/** Copies an answer of the API as it comes. */
	async copy(address: string, output: NodeJS.WritableStream): Promise<void> {
		for await (const chunk of await this.#host.stream(this.localUrl + address, this.#headers())) output.write(chunk);
	}

	/**
	 * Tells the agents that their leases hold through a restart; said again, it holds for ten minutes from then. A Ctrl-C in a terminal
	 * reaches workerd, too, which is then being started again: so this is tried for a while. One that never answers is stopped all the same.
	 */
	async announceStop(): Promise<void> {
		for (const until = Date.now() + STOP_PATIENCE_MS; Date.now() < until; ) {
			const announced = this.#post("/api/v1/host/planned-stop").then(
				() => true,
				() => sleep(STOP_RETRY_MS).then(() => false),
			);
			if (await Promise.race([announced, sleep(STOP_PATIENCE_MS).then(() => false)])) break;
		}
		await sleep(STOP_NOTICE_MS);
	}

	/** Announces the stop, then stops. */
	async stop(): Promise<void> {
		try {
			clearInterval(this.#watch);
			await this.announceStop();
		} finally {
			await this.#host.stop();
		}
	}

	async #post(address: string, body: unknown = {}): Promise<string> {
		const { status, text } = await this.#host.ask(this.localUrl + address, {
			method: "POST",
			headers: this.#headers(),
			body: JSON.stringify(body),
		});
		if (status >= 300) throw new Error(`POST ${address}: ${text}`);
		return text;
	}

	#headers(): Record<string, string> {
		return { Authorization: `Bearer wlh.${this.#secret}`, "Content-Type": "application/json" };
	}
}

/**
 * Makes sure that there is an admin token: the preset one, or a new one at the first start.
 * @returns the token's id, and the token itself if it was made just now
 * @throws UsageError for a preset token that is new and can be guessed
 */
async function ensureAdminToken(
	database: Awaited<ReturnType<Host["database"]>>,
	preset: string | null,
): Promise<{ token: string | null; tokenId: string }> {
	const live = "SELECT id, hash FROM tokens WHERE kind = 'admin' AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 1";
	const known = await database.prepare(live).first<{ id: string; hash: string }>();
	if (known && (preset === null || known.hash === sha256(preset))) return { token: null, tokenId: known.id };
	if (preset !== null && isGuessable(preset))
		throw new UsageError(`WINDLASS_ADMIN_TOKEN must have at least ${LEAST_TOKEN_LENGTH} characters; make one with: openssl rand -hex 24`);
	const token = preset ?? newAdminToken();
	const tokenId = await replaceAdminToken(database, token);
	return { token: preset === null ? token : null, tokenId };
}

/** Whether a token that somebody has chosen is too short. One that is in use already is warned of, not refused. */
function isGuessable(token: string): boolean {
	return token.length < LEAST_TOKEN_LENGTH;
}

export function newAdminToken(): string {
	return `wlu_${randomBytes(24).toString("base64url")}`;
}

/** Makes this the admin token; the one before is revoked in the same transaction. @returns the token's id */
export async function replaceAdminToken(database: Awaited<ReturnType<Host["database"]>>, token: string): Promise<string> {
	const now = Date.now();
	const id = `tok_${sha256(token).slice(0, 26)}`;
	await database.batch([
		// A token that is set once more is live again: what was opened with it must not be.
		database.prepare("DELETE FROM sessions WHERE token_id IN (SELECT id FROM tokens WHERE kind = 'admin')"),
		database.prepare("UPDATE tokens SET revoked_at = ? WHERE kind = 'admin' AND revoked_at IS NULL").bind(now),
		database
			.prepare(
				"INSERT INTO tokens (id, team, kind, name, hash, created_at) VALUES (?, ?, 'admin', 'admin', ?, ?) ON CONFLICT (hash) DO UPDATE SET revoked_at = NULL",
			)
			.bind(id, TEAM, sha256(token), now),
	]);
	return id;
}

/**
 * The port itself if it is free, any free one for 0. The workerd of a host that was killed may be ending by itself just now, and holds
 * its port a moment longer: so a port in use is looked at again for a while.
 * @throws UsageError
 */
async function freePort(host: string, port: number): Promise<number> {
	for (const until = Date.now() + PORT_PATIENCE_MS; ; await sleep(PORT_RETRY_MS)) {
		try {
			return await tryPort(host, port);
		} catch (error) {
			const isInUse = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
			if (isInUse && Date.now() < until) continue;
			const why = isInUse ? "is in use by another program; choose another with --port" : `cannot be used: ${(error as Error).message}`;
			throw new UsageError(`port ${port} on ${host} ${why}`);
		}
	}
}

function tryPort(host: string, port: number): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once("error", reject);
		server.listen({ host, port, exclusive: true }, () => {
			const { port: chosen } = server.address() as { port: number };
			server.close(() => resolve(chosen));
		});
	});
}

function isWildcard(host: string): boolean {
	return host === "0.0.0.0" || host === "::";
}

/** The addresses at which other machines reach one that listens here; none where it does not listen on all of them. */
function machineAddresses(host: string): string[] {
	if (!isWildcard(host)) return [];
	return Object.values(networkInterfaces())
		.flatMap((addresses) => addresses ?? [])
		.filter(({ internal, family, scopeid }) => !internal && (family === "IPv4" || (host === "::" && !scopeid)))
		.map(({ address }) => address);
}

function bracketed(host: string): string {
	return host.includes(":") ? `[${host}]` : host;
}
