import type { ResolvedJob } from "../../schema/pipeline/resolve/resolved.ts";
import { RETRY_CAUSES } from "../../schema/pipeline/validate/language.ts";
import { DEFAULT_JOB_TIMEOUT_MS, MAX_MATRIX_CELLS } from "../../schema/wire/limits.ts";

/**
 * A matrix that a needed job puts out, in the few forms that random pipelines have: the whole matrix
 * is an output, or the values of its axis `n` are. Plain, and without the code of the product.
 */

/** As much of the text of such a job as decides what becomes of its matrix jobs. */
interface JobText {
	matrix: string | { n: [string]; fail_fast?: boolean; max_parallel?: number };
	if?: string;
	runs_on?: { labels: string[] };
	timeout?: number;
	retry?: { attempts: number; on?: (typeof RETRY_CAUSES)[number][]; exit_codes?: number[] };
	concurrency?: { group: string; limit?: number };
	secrets?: Record<string, string>;
	finally?: { timeout: number };
}

/**
 * The matrix jobs of a job; null if the output makes none.
 * @param outputOf what a needed job has put out under a name
 */
export function lateMatrixJobs(placeholder: ResolvedJob, outputOf: (key: string, name: string) => string): ResolvedJob[] | null {
	const { job } = JSON.parse(placeholder.expansion ?? "") as { job: JobText };
	const { matrix } = job;
	const text = typeof matrix === "string" ? matrix : matrix.n[0];
	const [, key = "", name = ""] = /^\$\{\{ needs\.(\w+)\.outputs\.(\w+) \}\}$/.exec(text) ?? [];
	const put = parsed(outputOf(key, name));
	const values = valuesOf(typeof matrix === "string" ? (put as { n?: unknown } | null)?.n : put);
	if (values === null) return null;
	const { fail_fast = false, max_parallel = null } = typeof matrix === "string" ? {} : matrix;
	return values.map((n) => ({
		...placeholder,
		expansion: null,
		matrix: { n },
		condition: job.if ?? null,
		runs_on: { ...placeholder.runs_on, labels: job.runs_on?.labels ?? [] },
		timeout_ms: job.timeout ?? DEFAULT_JOB_TIMEOUT_MS,
		retry: job.retry
			? { attempts: job.retry.attempts, on: job.retry.on ?? [...RETRY_CAUSES], exit_codes: job.retry.exit_codes ?? null }
			: null,
		concurrency: job.concurrency ? { group: job.concurrency.group, limit: job.concurrency.limit ?? 1, cancel_in_progress: false } : null,
		secrets: job.secrets ?? {},
		finally: job.finally ? { steps: [], timeout_ms: job.finally.timeout } : null,
		fail_fast,
		max_parallel,
	}));
}

/** What decides about the course of a job: two definitions that agree in it are the same to the queue. */
export function termsOf(job: ResolvedJob): string {
	const { key, matrix, needs, condition, timeout_ms, retry, allow_failure, fail_fast, max_parallel, concurrency, outputs, secrets } = job;
	const terms = { key, matrix, needs, condition, timeout_ms, retry, allow_failure, fail_fast, max_parallel, concurrency, outputs, secrets };
	return JSON.stringify({ ...terms, labels: job.runs_on.labels, cleaning: job.finally?.timeout_ms ?? null });
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

/** A value alone is a list of one. */
function valuesOf(put: unknown): string[] | null {
	const list: unknown[] = Array.isArray(put) ? put : [put];
	const isAllowed = list.length > 0 && list.length <= MAX_MATRIX_CELLS;
	return isAllowed && list.every((one) => typeof one === "string" || typeof one === "number") ? list.map(String) : null;
}
