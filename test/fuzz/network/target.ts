import { randomUUID } from "node:crypto";
import { genericDelivery } from "../../support/forge.ts";
import { ADMIN_TOKEN, type AtEnd, TestCoordinator, workerdsOf } from "../../support/processes.ts";
import { ProtocolAgent, result } from "../../support/protocol_agent.ts";
import { SAVED_CACHES } from "../values/protocol.ts";
import { assertHonest } from "./answers.ts";
import { type Answer, Connection } from "./wire.ts";

/** Who asks. */
export type Caller = "anyone" | "admin" | "session" | "registration" | "agent" | "lease";

/** A request in which `{words}` stand for what only a running coordinator can know. */
export interface Question {
	method: string;
	target: string;
	as: Caller;
	headers: readonly (readonly [string, string])[];
	body: Uint8Array | null;
	/** Whether no answer is an answer: it may be one that is held back until something happens. */
	mayPark?: boolean;
	/** How long silence lasts before a stream is left. */
	streamMs?: number;
}

const SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const SINGLE_PART_BYTES = 64 * 1024 * 1024;
/** In parts of which the last has five bytes. */
export const BIG_FILE_BYTES = SINGLE_PART_BYTES + 5;
const FINISHED_LOG = "2026-01-02T03:04:05.678Z one <b>\n2026-01-02T03:04:05.678Z \u001b[31mtwo\u001b[0m\n";

const HOOK_SECRET = "the-secret-of-the-hook";

const ANSWER_MS = 15_000;
const STREAM_MS = 30;
const PARKED_MS = 40;

/** A real coordinator, with one of each thing that can be asked for. */
export class Target {
	readonly coordinator: TestCoordinator;
	readonly port: number;
	readonly #connection: Connection;
	readonly #agents: { working: ProtocolAgent; talking: ProtocolAgent };
	readonly #words = new Map<string, string>();
	readonly #pids: number[];
	#seq = 0;
	#readLogTo = 0;
	#isLeaseSpent = true;
	#isLeaseUsed = false;

	private constructor(coordinator: TestCoordinator, agents: { working: ProtocolAgent; talking: ProtocolAgent }) {
		this.coordinator = coordinator;
		this.port = Number(coordinator.port);
		this.#connection = new Connection(this.port);
		this.#agents = agents;
		this.#pids = workerdsOf(coordinator.data);
	}

	static async start(atEnd: AtEnd): Promise<Target> {
		// Long leases: what is broken here is not time.
		const coordinator = await TestCoordinator.start({ atEnd, environment: { WINDLASS_LEASE_TTL: "6h" } });
		const join = async (name: string) => ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), name, 4);
		const target = new Target(coordinator, { working: await join("working"), talking: await join("talking") });
		atEnd(() => target.#connection.close());
		await target.#prepare();
		return target;
	}

	/** Opens a session, in place of one that a request may have ended. */
	async signIn(): Promise<void> {
		const signedIn = await fetch(new URL("/sign-in", this.coordinator.url), {
			method: "POST",
			redirect: "manual",
			headers: { Origin: this.coordinator.url },
			body: `token=${ADMIN_TOKEN}`,
		});
		this.#words.set("session", /windlass_session=([^;]+)/.exec(signedIn.headers.get("set-cookie") ?? "")?.[1] ?? "");
	}

	/** The text with all words filled in; `{seq}` is another number each time. */
	fill(text: string): string {
		this.#seq += 1;
		return text.replaceAll(/"\{#(\w+)\}"|\{(\w+)\}/g, (found, number, word) => {
			if ((number ?? word) === "seq") return String(this.#seq);
			return this.#words.get(number ?? word) ?? found;
		});
	}

	word(name: string): string {
		return this.#words.get(name) ?? "";
	}

	/** Asks, and looks whether the answer keeps what every answer promises. @returns null if the request waits */
	async ask(question: Question): Promise<Answer | null> {
		await this.#freshen();
		if (question.as === "lease") this.#isLeaseUsed = true;
		const headers = [["Host", `127.0.0.1:${this.port}`], ...this.#credentials(question.as), ...question.headers] as const;
		const request = {
			method: question.method,
			target: this.fill(question.target),
			headers: headers.map(([name, value]) => [name, this.fill(value)] as const),
			body: question.body && this.#filledBody(question.body),
		};
		const patience = { streamMs: question.streamMs ?? STREAM_MS, answerMs: question.mayPark ? PARKED_MS : ANSWER_MS };
		const answer = await this.#connection.ask(request, patience);
		if (!answer) {
			if (question.mayPark) return null;
			throw new Error(`no answer to ${request.method} ${request.target}`);
		}
		const sent = `${request.target}\n${request.headers.join("\n")}\n${Buffer.from(request.body ?? []).toString("utf8")}`;
		const [path = ""] = request.target.split("?");
		assertHonest(answer, { sent: `${sent}\n${decoded(request.target)}`, path, method: request.method });
		await this.#clearUp(question, answer, Buffer.from(request.body ?? []).toString("utf8"));
		return answer;
	}

	/** An attempt of which nothing is known yet. */
	async renewLease(): Promise<void> {
		if (this.#isLeaseUsed || this.#isLeaseSpent) await this.#newLease();
	}

	/** Cancels the run that this answer says was made: nobody is there to take it. */
	async cancelNewRun(answer: Answer): Promise<void> {
		const run = answer.headers.get("location")?.match(/^(?:\/api\/v1)?\/runs\/(\w+)$/)?.[1];
		if (run && run !== this.word("run")) await this.coordinator.request(`/api/v1/runs/${run}/cancel`, { method: "POST", body: "{}" });
	}

	/** What the coordinator has logged as its own fault since it was last looked. */
	newFaults(): string[] {
		const output = this.coordinator.program.output;
		const fresh = output.slice(this.#readLogTo);
		this.#readLogTo = output.length;
		return fresh.split("\n").filter((line) => line.includes('"level":"error"'));
	}

	/** The processes that must still be there at the end. */
	get pids(): { host: number; workerds: number[] } {
		return { host: this.coordinator.program.pid, workerds: this.#pids };
	}

	#filledBody(body: Uint8Array): Uint8Array {
		const text = Buffer.from(body).toString("latin1");
		return /\{[#\w]+\}/.test(text) ? Buffer.from(this.fill(text), "latin1") : body;
	}

	#credentials(caller: Caller): (readonly [string, string])[] {
		if (caller === "anyone") return [];
		if (caller === "session") return [["Cookie", "windlass_session={session}"] as const, ["Origin", this.coordinator.url] as const];
		return [["Authorization", `Bearer {${caller}}`]];
	}

	async #prepare(): Promise<void> {
		const words = this.#words;
		const { working, talking } = this.#agents;
		words.set("admin", ADMIN_TOKEN);
		words.set("agent", talking.token);
		this.#noteSession(1);
		words.set("secret", "a_secret");
		words.set("project", "fuzzed");
		words.set(
			"registration",
			(await this.coordinator.post<{ token: string }>("/api/v1/agent-tokens", { uses: 10_000, expires_in: "1d" })).token,
		);
		await this.signIn();
		await this.#keep();
		await this.#newLease();
		for (const name of ["run", "job", "attempt"]) words.set(`old_${name}`, this.word(name));
		await this.#attempt("PATCH", "log", FINISHED_LOG, { "Upload-Offset": "0" });
		await fetch(new URL(this.word("part"), this.coordinator.url), {
			method: "PUT",
			body: "abc",
			headers: { "X-Content-SHA256": SHA256_OF_ABC },
		});
		const file = {
			path: "dist/a.txt",
			size: 3,
			sha256: SHA256_OF_ABC,
			executable: false,
			key: this.word("key"),
		};
		const log = { bytes: Buffer.byteLength(FINISHED_LOG), sha256: null, incomplete: false };
		await this.#attempt("POST", "finish", result({ log, artifacts: [file] }));
		this.#isLeaseSpent = true;
		working.session = 1;
	}

	/** A project whose forge has told of a push, with a schedule and a pipeline that is kept; nothing of it runs. */
	async #keep(): Promise<void> {
		const { coordinator } = this;
		const made = async (path: string, body: object) => (await coordinator.post<{ id: string }>(path, body)).id;
		await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: HOOK_SECRET }) });
		const project = { name: "kept", repository: "https://git.test/kept.git", hook_secret: "hook" };
		const hook = await made("/api/v1/projects", project);
		const { headers, body } = genericDelivery({ ref: "refs/heads/main", after: "a".repeat(40) }, HOOK_SECRET);
		const response = await coordinator.request(`/hooks/${hook}`, { method: "POST", token: null, headers, body });
		const delivered = (await response.json()) as { id: string; run_id: string };
		await coordinator.post(`/api/v1/runs/${delivered.run_id}/cancel`, {});
		const words = {
			hook,
			delivery: delivered.id,
			kept: await made("/api/v1/pipelines", { name: "kept", project: "kept", yaml: "runs_on: [nobody]\nsteps: [x]" }),
			version: "1",
			schedule: await made("/api/v1/projects/kept/schedules", { cron: "0 3 29 2 *" }),
		};
		for (const [word, value] of Object.entries(words)) this.#words.set(word, value);
	}

	/** A new attempt in the place of one that is over. */
	async #freshen(): Promise<void> {
		if (this.#isLeaseSpent) await this.#newLease();
	}

	async #newLease(): Promise<void> {
		const { working } = this.#agents;
		if (this.word("lease") !== "") await this.#attempt("POST", "finish", result({ state: "cancelled", exit_code: null }));
		await this.coordinator.post("/api/v1/queue/resume", {});
		const { id } = await this.coordinator.post<{ id: string }>("/api/v1/runs", {
			run: "x",
			runs_on: ["working"],
			project: `fuzz-${randomUUID().slice(0, 8)}`,
		});
		const offer = await working.nextOffer();
		const assignment = await working.start(offer);
		for (const [word, value] of Object.entries({
			lease: offer.lease_token,
			attempt: offer.attempt_id,
			job: offer.job_id,
			run: assignment.run.id,
			submitted: id,
		}))
			this.#words.set(word, value);
		const plan = await this.#attempt("POST", "artifacts", {
			files: [
				{ path: "dist/a.txt", size: 3, sha256: SHA256_OF_ABC },
				{ path: "big.bin", size: BIG_FILE_BYTES, sha256: SHA256_OF_ABC, parts: [SHA256_OF_ABC, SHA256_OF_ABC, SHA256_OF_ABC] },
			],
		});
		const [small, big] = plan.files as { key: string; parts: { url: string }[] }[];
		this.#words.set("key", small?.key ?? "");
		this.#words.set("part", small?.parts[0]?.url ?? "");
		this.#words.set("big_key", big?.key ?? "");
		this.#words.set("big_part", big?.parts[2]?.url ?? "");
		const saves = await this.#attempt("POST", "caches", SAVED_CACHES);
		const [save] = saves.caches as { url: string }[];
		this.#words.set("cache_save", save?.url ?? "");
		this.#words.set("cache_part", `${save?.url}/1`);
		this.#isLeaseSpent = false;
		this.#isLeaseUsed = false;
	}

	async #attempt(method: string, action: string, body: unknown, headers: Record<string, string> = {}): Promise<Record<string, unknown>> {
		const response = await this.coordinator.request(`/api/v1/attempts/${this.word("attempt")}/${action}`, {
			method,
			token: this.word("lease"),
			headers,
			body: typeof body === "string" ? body : JSON.stringify(body),
		});
		const text = await response.text();
		return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
	}

	/** Puts back what a request has changed, so that the next one meets the same things. */
	async #clearUp({ method, target }: Question, answer: Answer, body: string): Promise<void> {
		const { status } = answer;
		if (status >= 400) return;
		await this.cancelNewRun(answer);
		if (method !== "POST") return;
		if (/\/(finish|cancel)\b/.test(target)) this.#isLeaseSpent = true;
		if (target.includes("/queue/pause")) await this.coordinator.post("/api/v1/queue/resume", {});
		if (target.includes("/self/hello")) this.#noteSession((JSON.parse(body) as { session: number }).session);
		if (target.includes("/self/bye")) {
			const session = Number(this.word("next_session_number"));
			await this.#agents.talking.hello(session);
			this.#noteSession(session);
		}
	}

	#noteSession(session: number): void {
		this.#words.set("session_number", String(session));
		this.#words.set("next_session_number", String(session + 1));
	}
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}
