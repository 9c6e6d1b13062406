import type { Submission } from "../../../schema/pipeline/parse/resolved_submission.ts";
import { parseSubmission } from "../../../schema/pipeline/parse/submission.ts";
import { parseSubmissionForm } from "../../../schema/pipeline/parse/submission_form.ts";
import { ApiError } from "../../../schema/wire/errors.ts";
import { MAX_JOB_TIMEOUT_MS, MAX_JOBS, MAX_RESOLVED_BYTES, MAX_STEPS } from "../../../schema/wire/limits.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { formParts, longText, submissionText, writtenOut } from "../values/pipelines.ts";
import { inTime } from "./fast_enough.ts";

const REFUSALS: ReadonlySet<string> = new Set(["malformed", "validation_failed"]);
/** A refusal is read by a person: it does not grow with what was sent. */
const LONGEST_REFUSAL = 256 * 1024;

/** The submission, or null for a refusal of the documented kind; anything else that is thrown is a fault, and so is taking long. */
function submitted(size: number, parse: () => Submission): Submission | null {
	const result = inTime(size, () => attempted(parse));
	if (!(result instanceof ApiError)) return result;
	if (/call stack|RangeError|\[object/.test(result.message)) throw new Error(`not a sentence for a person: ${result.message}`);
	const length = JSON.stringify([result.message, result.details, result.suggestions]).length;
	if (length > LONGEST_REFUSAL) throw new Error(`the refusal has ${length} characters`);
	return null;
}

function attempted(parse: () => Submission): Submission | ApiError {
	try {
		return parse();
	} catch (error) {
		if (error instanceof ApiError && REFUSALS.has(error.code)) return error;
		throw error;
	}
}

/** What a submission that was accepted promises to everything behind it. */
function assertSound({ pipeline, project }: Submission): void {
	const text = JSON.stringify(pipeline);
	const names = new Set(pipeline.jobs.map(({ name }) => name));
	const faults: string[] = [];
	const promise = (isKept: boolean, what: string) => {
		if (!isKept) faults.push(what);
	};
	promise(Buffer.byteLength(text) <= MAX_RESOLVED_BYTES, "it is small enough");
	promise(JSON.stringify(JSON.parse(text)) === text, "it survives being stored");
	promise(!/(?<!\\)(?:\\\\)*\\u0000/.test(text), "it holds no NUL");
	promise(/^[a-z0-9][a-z0-9._-]{0,62}$/.test(project), "its project is a name");
	promise(Number.isInteger(pipeline.priority) && Math.abs(pipeline.priority) <= 100, "its priority is in range");
	promise(names.size > 0 && names.size <= MAX_JOBS && names.size === pipeline.jobs.length, "it has jobs, each once");
	promise(canRun(pipeline.jobs), "its jobs can run one after the other");
	for (const job of pipeline.jobs) {
		promise(job.timeout_ms > 0 && job.timeout_ms <= MAX_JOB_TIMEOUT_MS, "each job has a timeout");
		promise(job.steps.length > 0 && job.steps.length <= MAX_STEPS, "each job has steps");
		promise(job.runs_on.labels.length <= 20, "each job has few labels");
		for (const step of job.steps) {
			promise(step.run.trim() !== "" || step.build !== null, "each step does something");
			promise(!(step.working_directory ?? "").split("/").includes(".."), "each step stays in the workspace");
			for (const name of [...Object.keys(step.env), ...Object.keys(job.env)])
				promise(/^(?!CI(_|$)|WINDLASS_)[A-Za-z_][A-Za-z0-9_]*$/.test(name), "each variable may be set");
		}
	}
	if (faults.length > 0) throw new Error(`it is not so that ${[...new Set(faults)].join(", or that ")}: ${text.slice(0, 500)}`);
}

/** Whether an order exists in which every job comes after all variants of those that it needs. */
function canRun(jobs: Submission["pipeline"]["jobs"]): boolean {
	let left = jobs;
	for (let before = Number.POSITIVE_INFINITY; left.length < before; ) {
		before = left.length;
		const keysLeft = new Set(left.map(({ key }) => key));
		left = left.filter(({ needs }) => needs.some(({ key }) => keysLeft.has(key)));
	}
	return left.length === 0;
}

export const submissionProperties: FuzzProperty[] = [
	fuzzProperty("a text is a sound submission or refused", { weight: 10 }, submissionText, (text) => {
		const submission = submitted(text.length, () => parseSubmission(text));
		if (submission) assertSound(submission);
	}),
	fuzzProperty("a form is a sound submission or refused", { weight: 5 }, formParts, (parts) => {
		const size = [...parts].reduce((sum, [name, text]) => sum + name.length + text.length, 0);
		const submission = submitted(size, () => parseSubmissionForm(parts));
		if (submission) assertSound(submission);
	}),
	fuzzProperty("a long text is read in a time that grows with it", { weight: 0.3, most: 300 }, longText(200_000), (long) => {
		const text = writtenOut(long);
		submitted(text.length, () => parseSubmission(text));
	}),
];
