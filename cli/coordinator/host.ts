import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import type * as MiniflareModule from "miniflare";
import { findByEnvironment } from "../../agent/processes/host_processes.ts";
import { releaseMemory } from "../release_memory.ts";
import type { Outbound } from "./outbound.ts";
import { withoutUnusedServices } from "./workerd_config.ts";

/**
 * The local host of the Worker: the one file that knows Miniflare.
 *
 * Miniflare's own entry listens on a loopback port that only this process uses. All other clients
 * use the Worker's direct socket, which always sees their real addresses. Miniflare restarts
 * workerd when it dies. The next start finds a workerd that outlived its host by a mark in its
 * environment, and ends it.
 */

const MARK = "WINDLASS_HOST";
const ORPHAN_CHECK_MS = 10;
const ORPHAN_TIMEOUT_MS = 5_000;
/**
 * Options of V8 in workerd (`workerd.capnp`, v8Flags). New objects get 1 MB before a collection,
 * not 16 MB: workerd keeps 90 MB less, and jobs take no more time.
 */
const V8_FLAGS = "--max-semi-space-size=1";
/** Later than the first requests. */
const RELEASE_MEMORY_MS = 2_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface HostOptions {
	/** Where dist/worker and dist/migrations are. */
	distribution: string;
	/** The folder of D1, R2 and the Durable Objects. */
	storage: string;
	/** Where clients connect; null: the Worker has no socket. */
	socket: { host: string; port: number } | null;
	/** Names the data folder: all starts on the same folder have the same mark. */
	mark: string;
	bindings: Record<string, string>;
	/** Makes the Worker's requests to other servers. */
	outbound: Outbound;
	/** Called with each log line of the Worker or workerd. */
	onLog(text: string, level: string): void;
	/** Called after each restart of a crashed workerd. */
	onRestart(): void;
}

type Miniflare = MiniflareModule.Miniflare;

interface HostRequest {
	method: "GET" | "POST";
	headers: Record<string, string>;
	body?: string;
}

/** A Worker that runs on this machine. */
export class Host {
	readonly #miniflare: Miniflare;

	private constructor(miniflare: Miniflare) {
		this.#miniflare = miniflare;
	}

	/**
	 * Starts workerd. Until `migrateDatabase` has run, the Worker answers clients with "try again
	 * in a moment".
	 */
	static async start(options: HostOptions): Promise<Host> {
		removeOrphanBlobs(path.join(options.storage, "r2"));
		const { convertV4MiniflareOptions, CoreHeaders, Miniflare, Response } = loadMiniflare();
		// With this header Miniflare lets every client write `request.cf`. Without it workerd
		// writes the client's address there.
		Reflect.deleteProperty(CoreHeaders, "CF_BLOB");
		// Miniflare reads them at each start of workerd.
		process.env.MINIFLARE_WORKERD_V8_FLAGS ??= V8_FLAGS;
		const before = SIGNALS.map((signal) => process.listeners(signal));
		const miniflare = new Miniflare(
			convertV4MiniflareOptions(
				miniflareOptions(options, async (request) => {
					const body = request.body === null ? "" : await request.text();
					const answer = await options.outbound.ask({
						url: request.url,
						method: request.method,
						headers: Object.fromEntries(request.headers),
						body,
					});
					return new Response(answer.body, { status: answer.status, headers: answer.headers });
				}),
			),
		);
		// Miniflare would end the process at once on a signal; the coordinator plans its stop
		// itself.
		for (const [index, signal] of SIGNALS.entries()) {
			for (const listener of process.listeners(signal)) if (!before[index]?.includes(listener)) process.removeListener(signal, listener);
		}
		await miniflare.ready;
		setTimeout(releaseMemory, RELEASE_MEMORY_MS).unref();
		return new Host(miniflare);
	}

	/** Sends a request to the Worker, past its socket. The Worker takes the address for its own. */
	async ask(url: string, init: HostRequest): Promise<{ status: number; text: string }> {
		const answer = await this.#send(url, init);
		return { status: answer.statusCode ?? 0, text: await text(answer) };
	}

	/** An answer of the Worker as it comes. */
	async stream(url: string, headers: Record<string, string>): Promise<AsyncIterable<Uint8Array>> {
		return this.#send(url, { method: "GET", headers });
	}

	/**
	 * Sends a request by Node's own client. Miniflare's, undici, compiles a parser in WebAssembly,
	 * which takes 30 MB. Without a word about compression, Miniflare's entry compresses text and so
	 * holds it back to its end.
	 */
	async #send(url: string, { method, headers, body }: HostRequest): Promise<IncomingMessage> {
		const { hostname, port } = await this.#miniflare.ready;
		const { host, pathname, search } = new URL(url);
		return new Promise((resolve, reject) => {
			const own = { Host: host, "Accept-Encoding": "identity" };
			const options = { hostname, port, path: pathname + search, method, headers: { ...headers, ...own }, agent: false };
			request(options, resolve).on("error", reject).end(body);
		});
	}

	/**
	 * Ends workerd. By design it takes every shutdown for a crash; nothing acknowledged is lost.
	 */
	async stop(): Promise<void> {
		await this.#miniflare.dispose();
	}
}

/**
 * Loads Miniflare: it takes longer to load than all the rest, and other commands do not need it.
 * The build makes this copy of it (cli/build.mjs). `import` would parse it twice more, to learn
 * that it is CommonJS and what it exports.
 */
function loadMiniflare(): typeof MiniflareModule {
	const miniflare = createRequire(import.meta.url)("./miniflare.cjs");
	miniflare.changeConfig = withoutUnusedServices;
	return miniflare;
}

type Fetcher = (request: MiniflareModule.Request) => Promise<MiniflareModule.Response>;

function miniflareOptions(options: HostOptions, outboundService: Fetcher): Parameters<typeof MiniflareModule.convertV4MiniflareOptions>[0] {
	const folder = path.join(options.distribution, "worker");
	const { bindings, ...worker } = JSON.parse(readFileSync(path.join(folder, "options.json"), "utf8"));
	return {
		host: "127.0.0.1",
		port: 0,
		cf: false,
		logRequests: false,
		resourcePersistencePath: options.storage,
		handleStructuredLogs: ({ message, level }) => options.onLog(message, level),
		unsafeHandleRuntimeRestart: () => {
			setTimeout(releaseMemory, RELEASE_MEMORY_MS).unref();
			options.onRestart();
		},
		unsafeRuntimeEnv: { [MARK]: options.mark },
		workers: [
			{
				...worker,
				// The name is part of the storage's path: it must never change.
				name: "windlass",
				modules: workerModules(folder),
				bindings: { ...bindings, ...options.bindings },
				outboundService,
				...(options.socket ? { unsafeDirectSockets: [options.socket] } : {}),
			},
		],
	};
}

/**
 * Deletes files of R2 that belong to no object: Miniflare writes the file before the row, so a kill
 * in between leaves the file. Call it while no workerd runs.
 */
function removeOrphanBlobs(folder: string): void {
	const files = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
	const blobs = files.filter((entry) => entry.isFile() && path.basename(entry.parentPath) === "blobs");
	if (blobs.length === 0) return;
	const known = new Set<unknown>();
	for (const { parentPath, name } of files) {
		if (!name.endsWith(".sqlite") || name === "metadata.sqlite") continue;
		const database = new DatabaseSync(path.join(parentPath, name));
		for (const { blob_id } of database.prepare("SELECT blob_id FROM _mf_objects UNION SELECT blob_id FROM _mf_multipart_parts").all())
			known.add(blob_id);
		database.close();
	}
	for (const { parentPath, name } of blobs) if (!known.has(name)) rmSync(path.join(parentPath, name), { force: true });
}

function workerModules(folder: string) {
	return readdirSync(folder)
		.filter((name) => /\.(js|css)$/.test(name))
		.sort((a, b) => Number(b === "index.js") - Number(a === "index.js"))
		.map((name) => ({
			type: name === "index.js" ? ("ESModule" as const) : ("Text" as const),
			path: name,
			contents: readFileSync(path.join(folder, name), "utf8"),
		}));
}

/** The workerd processes of the host with this mark. */
export function workersOf(mark: string): number[] {
	return findByEnvironment(MARK, mark).filter(isWorkerd);
}

/**
 * Ends the workerd of an earlier start: a killed host leaves its workerd behind with the port and
 * the files, and two on one folder would corrupt it. The caller holds the folder's lock, and calls
 * this first.
 */
export function endOrphans(mark: string): void {
	for (const pid of workersOf(mark)) {
		try {
			process.kill(pid, "SIGKILL");
		} catch {
			// It has ended by itself.
		}
		// Its sockets and files are closed once it is a zombie or gone, which is later than its
		// environment.
		for (let waited = 0; isAlive(pid); waited += ORPHAN_CHECK_MS) {
			if (waited > ORPHAN_TIMEOUT_MS) throw new Error(`The workerd of an earlier start (pid ${pid}) does not end.`);
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ORPHAN_CHECK_MS);
		}
	}
}

function isWorkerd(pid: number): boolean {
	try {
		return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("workerd");
	} catch {
		return false;
	}
}

function isAlive(pid: number): boolean {
	try {
		return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return false;
	}
}
