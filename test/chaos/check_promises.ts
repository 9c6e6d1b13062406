import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { getTableColumns } from "drizzle-orm";
import { attempts, jobs, runs } from "../../schema/database/tables.ts";
import type { Artifact, Job, Run } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import { eventually, type Program, type TestCoordinator } from "../support/processes.ts";
import type { Clients } from "./clients.ts";
import type { Stage } from "./stage.ts";
import { digestOf, streamOf, type Task } from "./work.ts";

/** The promises that must hold at the end. */

const REST_MS = 240_000;
const LEFT_MS = 60_000;
const AT_ONCE = 8;
/** How much of the end of an agent's output is shown with a broken promise. */
const LAST_WORDS = 2_000;

export interface Checked {
	/** The broken promises. */
	broken: string[];
	runs: number;
	attempts: number;
	requeues: number;
	/** Writes of attempts that were no longer the job's. */
	rejected: number;
	bytes: number;
}

/** Waits for everything to come to rest, and looks at all of it. The stage is stopped afterwards. */
export async function checkPromises(stage: Stage, clients: Clients, mark: string, say: (line: string) => void): Promise<Checked> {
	const checked: Checked = { broken: [], runs: 0, attempts: 0, requeues: 0, rejected: 0, bytes: 0 };
	const check = (isSo: boolean, what: string) => {
		if (!isSo) checked.broken.push(what);
	};
	const open = [...clients.acknowledged];
	say(`waiting for the end of ${open.length} runs, and looking at each`);
	const next = async (): Promise<void> => {
		for (let one = open.pop(); one; one = open.pop()) await checkRun(stage, one[0], one[1].tasks, checked, check);
	};
	await Promise.all(Array.from({ length: AT_ONCE }, next));
	say("looking at processes, folders and stores");
	check(await isEmptyInTime(() => stage.jobProcesses(mark).length === 0), "processes of jobs are left");
	await stopAgents(stage, check);
	checkQueue(await queueAtRest(stage), check);
	// What a killed workerd has left half done is removed at the next start.
	await stage.replaceHost("SIGTERM", 0);
	checked.rejected = stage.said.match(/"route":"\/api\/v1\/attempts\/[^"]*"[^\n]*"status":(409|410)/g)?.length ?? 0;
	stage.coordinator.program.signal("SIGTERM");
	check((await endOf(stage.coordinator.program)) === 0, "the coordinator does not stop as it should");
	checkStores(stage.data, check);
	return checked;
}

/** The exit code of a program after a request to stop; null if it does not end in time. */
async function endOf({ exited }: Program): Promise<number | null> {
	const stop = new AbortController();
	const code = await Promise.race([exited, pause(LEFT_MS, null, { signal: stop.signal }).catch(() => null)]);
	stop.abort();
	return code;
}

type Check = (isSo: boolean, what: string) => void;

function isEmptyInTime(look: () => boolean): Promise<boolean> {
	return eventually(look, "emptiness", LEFT_MS).then(
		() => true,
		() => false,
	);
}

async function checkRun(stage: Stage, id: string, tasks: Record<string, Task>, checked: Checked, check: Check): Promise<void> {
	const at = stage.coordinator;
	const find = async () => {
		const run = await at.get<Run>(`/api/v1/runs/${id}/wait?timeout=30`).catch(() => null);
		return run && isTerminal(run.state) ? run : null;
	};
	const run = await eventually(find, `the end of ${id}`, REST_MS).catch(() => null);
	if (!run) check(false, `${id} never ended: ${await whatKeeps(stage, id)}`);
	checked.runs += 1;
	for (const { id: jobId, key } of run?.jobs ?? []) {
		const job = await at.get<Job>(`/api/v1/jobs/${jobId}`);
		const task = tasks[key] as Task;
		const succeeded = job.attempts.filter(({ state }) => state === "succeeded");
		// A result that comes while its job is being cancelled stays with the attempt.
		const isAsItShouldBe = job.state === "cancelled" ? succeeded.length <= 1 : succeeded.length === (job.state === "succeeded" ? 1 : 0);
		check(isAsItShouldBe, `${jobId} is ${job.state} with ${succeeded.length} successful attempts`);
		checked.attempts += job.attempts.length;
		checked.requeues += Math.max(0, job.attempts.length - 1);
		for (const attempt of job.attempts) {
			await checkLog(at, jobId, attempt, task, checked, check);
			if (attempt.state === "succeeded") await checkArtifact(at, jobId, attempt.number, task, checked, check);
		}
	}
}

/** Everything that tells why a run does not end: the run, the live steps, and what its agents last said and still run. */
async function whatKeeps({ coordinator, agents }: Stage, id: string): Promise<string> {
	const run = await coordinator.get<Run>(`/api/v1/runs/${id}`).catch(String);
	const jobs = typeof run === "string" ? [] : run.jobs.filter(({ state }) => !isTerminal(state));
	const details = await Promise.all(jobs.map((job) => coordinator.get<Job>(`/api/v1/jobs/${job.id}`).catch(String)));
	const words = agents.map(({ name, workDir, program }) => {
		const folders = readdirSync(path.join(workDir, "jobs"));
		return `${name} with ${folders.join(", ") || "no job"}:\n${program.output.slice(-LAST_WORDS)}`;
	});
	return [JSON.stringify(run), ...details.map((job) => JSON.stringify(job)), ...words].join("\n");
}

async function checkLog(
	at: TestCoordinator,
	jobId: string,
	{ number, state, log }: Job["attempts"][number],
	task: Task,
	checked: Checked,
	check: Check,
): Promise<void> {
	const text = await at.text(`/api/v1/jobs/${jobId}/log?format=raw&attempt=${number}`);
	checked.bytes += Buffer.byteLength(text);
	const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("::"));
	const stream = streamOf(task, number);
	const whole = [...stream, `= ${digestOf(stream)}`];
	const isWhole = lines.join("\n") === whole.join("\n");
	const what = `the log of ${jobId}, attempt ${number} (${state})`;
	// The last line of a job that was killed may be cut anywhere.
	const isStart = whole.join("\n").startsWith(lines.join("\n"));
	check(isWhole || isStart, `${what} is not what the job wrote: ${firstDifference(lines, whole)}`);
	if (state === "succeeded") check(isWhole && !log.incomplete, `${what} is not whole: ${lines.length} of ${whole.length} lines`);
}

/** Where two logs part, with a line before and the lines after. */
function firstDifference(lines: readonly string[], wanted: readonly string[]): string {
	const index = lines.findIndex((line, at) => line !== wanted[at]);
	const part = (of: readonly string[]) => JSON.stringify(of.slice(Math.max(0, index - 1), index + 3));
	return `line ${index + 1} of ${lines.length} has ${part(lines)}, not ${part(wanted)}`;
}

async function checkArtifact(
	at: TestCoordinator,
	jobId: string,
	attempt: number,
	task: Task,
	checked: Checked,
	check: Check,
): Promise<void> {
	const { items } = await at.get<{ items: Artifact[] }>(`/api/v1/jobs/${jobId}/artifacts?attempt=${attempt}`);
	const [item] = items;
	const wanted = digestOf(streamOf(task, attempt));
	check(items.length === 1 && item?.sha256 === wanted, `the artifact of ${jobId} is not recorded as it was made`);
	if (!item) return;
	const bytes = new Uint8Array(await (await at.request(item.url)).arrayBuffer());
	checked.bytes += bytes.byteLength;
	check(createHash("sha256").update(bytes).digest("hex") === wanted, `the artifact of ${jobId} is not what was made`);
}

async function stopAgents(stage: Stage, check: Check): Promise<void> {
	for (const agent of stage.agents) {
		agent.program.signal("SIGTERM");
		check((await endOf(agent.program)) === 0, `${agent.name} does not stop as it should:\n${agent.program.output.slice(-500)}`);
		const left = readdirSync(path.join(agent.workDir, "jobs"));
		check(left.length === 0, `${agent.name} has left ${left.join(", ")}`);
	}
}

/** What is left in the queue once nothing moves any more. */
async function queueAtRest(stage: Stage): Promise<Record<string, number>> {
	const look = () => {
		const [queue] = databasesIn(path.join(stage.data, "storage/do/windlass-Dispatcher"));
		const count = (table: string) => Number(queue?.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
		const left = Object.fromEntries(
			["runs", "jobs", "attempts", "outbox", "outbox_dead", "effects", "transitions"].map((table) => [table, count(table)]),
		);
		queue?.close();
		return left;
	};
	await isEmptyInTime(() => Object.values(look()).every((n) => n === 0));
	return look();
}

function checkQueue(left: Record<string, number>, check: Check): void {
	for (const [table, n] of Object.entries(left)) check(n === 0, `${n} rows are left in the queue's ${table}`);
}

/** The record is whole, and each object in R2 is known to it. */
function checkStores(data: string, check: Check): void {
	const storage = path.join(data, "storage");
	const [record] = databasesIn(path.join(storage, "d1/miniflare-D1DatabaseObject"));
	if (!record) throw new Error("there is no record");
	const rows = (text: string) => record.prepare(text).all() as Record<string, string | number | null>[];
	for (const [name, table] of Object.entries({ runs, jobs, attempts })) {
		const columns = Object.keys(getTableColumns(table)).join(", ");
		for (const row of rows(`SELECT ${columns} FROM ${name} WHERE finished_at IS NULL`))
			check(false, `${name} ${row.id} is ${row.state} in the record`);
	}
	for (const { job_id } of rows("SELECT job_id FROM attempts WHERE state = 'succeeded' GROUP BY job_id HAVING count(*) > 1"))
		check(false, `${job_id} has two successful attempts in the record`);
	for (const { id } of rows("SELECT id FROM attempts WHERE log_archived = 0")) check(false, `the log of ${id} is not archived`);
	for (const { pipeline, n } of rows("SELECT pipeline, count(*) AS n FROM runs GROUP BY pipeline HAVING n > 1"))
		check(false, `${pipeline} was made ${n} runs`);
	const known = new Set(
		rows("SELECT log_key AS key FROM attempts UNION SELECT key FROM artifacts UNION SELECT key FROM uploads").map(({ key }) => key),
	);
	const [bucket] = databasesIn(path.join(storage, "r2/miniflare-R2BucketObject"));
	const objects = (bucket?.prepare("SELECT key, blob_id FROM _mf_objects").all() ?? []) as { key: string; blob_id: string }[];
	for (const { key } of objects) check(known.has(key), `nobody knows the object ${key}`);
	const blobs = new Set(objects.map(({ blob_id }) => blob_id));
	for (const file of blobFiles(path.join(storage, "r2"))) check(blobs.has(file), `the file ${file} belongs to no object`);
	for (const database of [record, bucket]) database?.close();
}

function blobFiles(folder: string): string[] {
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.parentPath.includes(`${path.sep}blobs`))
		.map(({ name }) => name);
}

/** The databases of a folder of objects. */
function databasesIn(folder: string): DatabaseSync[] {
	if (!existsSync(folder)) return [];
	return readdirSync(folder)
		.filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite")
		.map((name) => new DatabaseSync(path.join(folder, name)));
}
