import { randomUUID } from "node:crypto";
import { existsSync, watch } from "node:fs";
import path from "node:path";
import { Agent, type Dispatcher, request } from "undici";

/** Where the coordinator under measurement is, and the token that may submit. */
export interface Target {
	url: string;
	token: string;
}

export interface Timing {
	/** Milliseconds. */
	p50: number;
	p99: number;
	/** Per second. */
	rate: number;
}

const WARM_UP = 100;
const STARTS = 200;
const LIVES = 3_000;
const AGENTS = 20;
/** Submissions under way at once, so that no agent waits for work. */
const SUBMITTERS = 2 * AGENTS;

const dispatcher: Dispatcher = new Agent({ connections: 128, keepAliveTimeout: 8_000 });

async function send(
	target: Target,
	method: "GET" | "POST",
	address: string,
	token: string | null,
	body?: unknown,
): Promise<Record<string, unknown>> {
	const response = await request(target.url + address, {
		method,
		dispatcher,
		headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), "Content-Type": "application/json" },
		body: body === undefined ? null : JSON.stringify(body),
	});
	const text = await response.body.text();
	if (response.statusCode >= 300) throw new Error(`${method} ${address}: ${response.statusCode} ${text}`);
	return text ? JSON.parse(text) : {};
}

function timing(samples: number[], elapsedMs: number): Timing {
	const sorted = [...samples].sort((a, b) => a - b);
	const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
	return { p50: at(0.5), p99: at(0.99), rate: (samples.length / elapsedMs) * 1000 };
}

/** The least that a request to workerd can take: no token, no storage. */
export async function trivialRequest(target: Target, concurrency = 1, count = 3_000): Promise<Timing> {
	for (let index = 0; index < WARM_UP; index += 1) await send(target, "GET", "/healthz", null);
	const samples: number[] = [];
	const started = performance.now();
	const one = async () => {
		while (samples.length < count) {
			const before = performance.now();
			await send(target, "GET", "/healthz", null);
			samples.push(performance.now() - before);
		}
	};
	await Promise.all(Array.from({ length: concurrency }, one));
	return timing(samples, performance.now() - started);
}

/** From the submission to the first thing that the step's process does, with an idle agent: one at a time. */
export async function submitToStart(target: Target, folder: string): Promise<Timing> {
	const samples: number[] = [];
	const started = performance.now();
	for (let index = -10; index < STARTS; index += 1) {
		const sign = path.join(folder, `started-${index}`);
		const appeared = fileAppears(sign);
		const before = performance.now();
		const { id } = await send(target, "POST", "/api/v1/runs", target.token, { run: `: > ${sign}` });
		await appeared;
		if (index >= 0) samples.push(performance.now() - before);
		await send(target, "GET", `/api/v1/runs/${id}/wait`, target.token);
	}
	return timing(samples, performance.now() - started);
}

function fileAppears(file: string): Promise<void> {
	return new Promise((resolve) => {
		const watcher = watch(path.dirname(file), () => {
			if (!existsSync(file)) return;
			watcher.close();
			resolve();
		});
	});
}

/** Jobs from submission to their end, by agents that run nothing: what the coordinator alone can do. */
export async function wholeLives(target: Target): Promise<Timing> {
	const label = `bench-${randomUUID().slice(0, 8)}`;
	const agents = await Promise.all(Array.from({ length: AGENTS }, (_, index) => join(target, `${label}-${index}`, label)));
	/** Of a job that is over: true; of one that is waited for: what to call. A job may be over before its submission is answered. */
	const done = new Map<string, true | (() => void)>();
	const onDone = (jobId: string) => {
		const waiting = done.get(jobId);
		done.set(jobId, true);
		if (typeof waiting === "function") waiting();
	};
	const samples: number[] = [];
	const isEnough = () => samples.length >= LIVES;
	// Agents work on until every submission that was waited for is done.
	let isOver = false;
	const working = agents.map((agent) => work(target, agent, () => isOver, onDone));
	const started = performance.now();
	const submit = async () => {
		while (!isEnough()) {
			const before = performance.now();
			const run = await send(target, "POST", "/api/v1/runs", target.token, { run: "true", runs_on: [label] });
			const [job] = run.jobs as { id: string }[];
			const jobId = job?.id ?? "";
			if (!done.has(jobId)) await new Promise<void>((resolve) => done.set(jobId, resolve));
			done.delete(jobId);
			samples.push(performance.now() - before);
		}
	};
	await Promise.all(Array.from({ length: SUBMITTERS }, submit));
	isOver = true;
	const measured = timing(samples, performance.now() - started);
	void Promise.allSettled(working);
	return measured;
}

interface BenchAgent {
	token: string;
	seq: number;
}

async function join(target: Target, name: string, label: string): Promise<BenchAgent> {
	const { token } = await send(target, "POST", "/api/v1/agent-tokens", target.token, {});
	const registered = await send(target, "POST", "/api/v1/agents", token as string, { name, registration_key: randomUUID() });
	const agent = { token: registered.token as string, seq: 0 };
	const facts = { version: "bench", slots: 1, labels: [label], facts: {} };
	await send(target, "POST", "/api/v1/agents/self/hello", agent.token, {
		protocol: 1,
		session: 1,
		instance: randomUUID(),
		running: [],
		facts,
	});
	return agent;
}

const RESULT = {
	state: "succeeded",
	exit_code: 0,
	reason: null,
	log: { bytes: 0, sha256: null, incomplete: false },
	steps: [],
	artifacts: [],
};

/** Polls, claims and finishes until it is over. */
async function work(target: Target, agent: BenchAgent, isOver: () => boolean, onDone: (jobId: string) => void): Promise<void> {
	while (!isOver()) {
		agent.seq += 1;
		const body = { protocol: 1, session: 1, seq: agent.seq, slots_free: 1, running: [] };
		const { offers } = await send(target, "POST", "/api/v1/agents/self/poll", agent.token, body);
		for (const offer of offers as { attempt_id: string; job_id: string; lease_token: string }[]) {
			await send(target, "POST", `/api/v1/attempts/${offer.attempt_id}/start`, offer.lease_token, {});
			await send(target, "POST", `/api/v1/attempts/${offer.attempt_id}/finish`, offer.lease_token, RESULT);
			onDone(offer.job_id);
		}
	}
}
