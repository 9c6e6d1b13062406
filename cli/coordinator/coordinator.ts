import { randomBytes, randomUUID } from "node:crypto";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { renewTimeoutFor } from "../../schema/wire/lease_rule.ts";
import { ensureAdminToken, GUESSABLE_TOKEN, isGuessable, newSignInCode, storeSignInCode } from "./admin_token.ts";
import { Database, migrateDatabase } from "./database.ts";
import { DiskWatch } from "./disk_watch.ts";
import { DISTRIBUTION } from "./distribution.ts";
import { endOrphans, Host } from "./host.ts";
import { type Facts, HostFacts } from "./host_facts.ts";
import type { JsonLog } from "./json_log.ts";
import { type Addresses, addressesOf, freePort } from "./listen_address.ts";
import type { CoordinatorOptions } from "./options.ts";
import { Outbound } from "./outbound.ts";

/** Agents need this long to receive a planned stop and poll again. */
const STOP_NOTICE_MS = 300;
const STOP_TIMEOUT_MS = 5_000;
const STOP_RETRY_MS = 100;

/** A coordinator that serves: the Worker on its host, and calls in the coordinator's own name. */
export class Coordinator {
	readonly #host: Host;
	readonly #secret: string;
	readonly #disk: DiskWatch;
	readonly #facts: HostFacts;
	readonly addresses: Addresses;
	/** The record and the catalog, for the host's own statements. */
	readonly database: Database;
	/** The admin token, if this start made it: it is shown once. */
	readonly newAdminToken: string | null;
	/** The address at which a browser signs in, once. */
	readonly signInUrl: string;
	/** Whether this start encrypted all secrets with the present master key. */
	hasRotated = false;

	private constructor(
		host: Host,
		secret: string,
		watched: { disk: DiskWatch; facts: HostFacts },
		addresses: Addresses,
		signIn: { token: string | null; code: string },
	) {
		this.#host = host;
		this.#secret = secret;
		this.#disk = watched.disk;
		this.#facts = watched.facts;
		this.addresses = addresses;
		this.newAdminToken = signIn.token;
		this.database = new Database(host, secret);
		this.signInUrl = `${addresses.links}/sign-in?code=${signIn.code}`;
	}

	/**
	 * Starts the coordinator; when this returns it serves, and its data is of this version.
	 * @throws UsageError for a port that is in use
	 */
	static async start(options: CoordinatorOptions): Promise<Coordinator> {
		const { data, limits, log, masterKeys } = options;
		endOrphans(data.path);
		const port = await freePort(options.host, options.port);
		const addresses = addressesOf(options.host, port, options.publicUrl);
		const secret = randomBytes(32).toString("hex");
		const disk = new DiskWatch(data.path, limits.freeDisk, log);
		const host = await Host.start({
			distribution: DISTRIBUTION,
			storage: data.storage,
			socket: { host: options.host, port },
			mark: data.path,
			outbound: new Outbound(options.outbound),
			bindings: bindingsOf(options, addresses.local, secret),
			onLog: (text, level) => log.pass(text, level),
			onRestart: () => {
				log.write("warn", "workerd had stopped and was started again");
				disk.reset();
			},
		});
		try {
			const database = new Database(host, secret);
			await migrateDatabase(database, path.join(DISTRIBUTION, "migrations"));
			const { token, tokenId } = await ensureAdminToken(database, options.adminToken);
			if (options.adminToken !== null && isGuessable(options.adminToken)) log.write("warn", GUESSABLE_TOKEN);
			if (data.exposure !== null) log.write("warn", data.exposure);
			const code = newSignInCode();
			const coordinator = new Coordinator(host, secret, { disk, facts: new HostFacts(data.path, options.publicUrl) }, addresses, {
				token,
				code,
			});
			await Promise.all([
				storeSignInCode(database, code, tokenId),
				coordinator.#post("/api/v1/host/prepare", { restored_from: data.restoredFrom }),
			]);
			data.forgetRestored();
			if (masterKeys.former !== null) coordinator.hasRotated = await coordinator.#rotateSecrets(log);
			coordinator.#facts.start((facts) => coordinator.#post("/api/v1/host/facts", facts));
			await disk.start((error) => coordinator.#post("/api/v1/host/disk", { error }));
			return coordinator;
		} catch (error) {
			await host.stop();
			throw error;
		}
	}

	/**
	 * Encrypts every secret with the present master key. A secret that cannot be read does not keep
	 * the others from it.
	 */
	async #rotateSecrets(log: JsonLog): Promise<boolean> {
		try {
			const { secrets } = JSON.parse(await this.#post("/api/v1/secrets/rotate"));
			log.write("info", "all secrets are encrypted with the new master key; the former one is no longer needed", { secrets });
			return true;
		} catch (error) {
			log.write("warn", "not all secrets are encrypted with the new master key; the former one is still needed", { error: String(error) });
			return false;
		}
	}

	/** Has metrics tell of backups. */
	reportBackups(backups: () => Facts["backups"]): void {
		this.#facts.backups = backups;
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
		const { status, text } = await this.#host.ask(this.addresses.local + address, { method: "GET", headers: this.#headers() });
		if (status >= 300) throw new Error(`GET ${address}: ${text}`);
		return text;
	}

	/** Copies an answer of the API as it comes. */
	async copy(address: string, output: NodeJS.WritableStream): Promise<void> {
		for await (const chunk of await this.#host.stream(this.addresses.local + address, this.#headers())) output.write(chunk);
	}

	/**
	 * Notifies the agents that their leases outlast a restart; each call counts for ten minutes. A
	 * Ctrl-C in a terminal reaches workerd, too, and Miniflare then starts it again, so this is
	 * tried for a while. A workerd that never answers is stopped all the same.
	 */
	async announceStop(): Promise<void> {
		for (const until = Date.now() + STOP_TIMEOUT_MS; Date.now() < until; ) {
			const announced = this.#post("/api/v1/host/planned-stop").then(
				() => true,
				() => sleep(STOP_RETRY_MS, false),
			);
			if (await Promise.race([announced, sleep(STOP_TIMEOUT_MS, false)])) break;
		}
		await sleep(STOP_NOTICE_MS);
	}

	/** Announces the stop, then stops. */
	async stop(): Promise<void> {
		try {
			this.#disk.stop();
			this.#facts.stop();
			await this.announceStop();
		} finally {
			await this.#host.stop();
		}
	}

	async #post(address: string, body: unknown = {}): Promise<string> {
		const { status, text } = await this.#host.ask(this.addresses.local + address, {
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

/** The Worker's bindings that this start sets; wrangler.toml has the others. */
function bindingsOf(options: CoordinatorOptions, localUrl: string, hostSecret: string): Record<string, string> {
	const { data, times, limits, masterKeys } = options;
	const former = data.formerSigningKey;
	return {
		SIGNING_KEY: data.signingKey,
		...(former === null ? {} : { SIGNING_KEY_BEFORE: former.signing, SIGNING_KEY_BEFORE_UNTIL: String(former.until) }),
		HOST_SECRET: hostSecret,
		MASTER_KEY: masterKeys.present,
		...(masterKeys.former === null ? {} : { MASTER_KEY_BEFORE: masterKeys.former }),
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
		MAX_JOB_MS: limits.maxJobMs === null ? "" : String(limits.maxJobMs),
		OUTBOUND_RULES: options.outbound.text,
		RATE_LIMITS: options.rateLimits ?? "",
		METRICS_ACCESS: options.metrics?.isOpen ? "open" : "",
		METRICS_TOKEN: options.metrics?.token ?? "",
		CORS_ORIGINS: (options.corsOrigins ?? []).join(","),
		KEEP_RUNS_MS: String(limits.keepRunsMs),
		KEEP_LOGS_MS: String(limits.keepLogsMs),
		KEEP_ARTIFACTS_MS: String(limits.keepArtifactsMs),
		CACHE_PROJECT_BYTES: String(limits.cacheProjectBytes),
		CACHE_TOTAL_BYTES: String(limits.cacheTotalBytes),
		KEEP_CACHES_MS: String(limits.keepCachesMs),
		KEEP_AUDIT_MS: String(limits.keepAuditMs),
		LOG_LEVEL: options.logLevel,
	};
}
