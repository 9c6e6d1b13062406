import { ApiError, type FieldError } from "../../wire/errors.ts";
import { MAX_RESOLVED_BYTES } from "../../wire/limits.ts";
import { composing } from "../compose/compose.ts";
import { documentOf, mapOf, memberOf, membersOf, type Placed } from "../compose/placed_values.ts";
import { definitionJson } from "../resolve/definition_json.ts";
import { checkReferences } from "../resolve/references.ts";
import { resolvePipeline } from "../resolve/resolve.ts";
import type { ResolvedJob, ResolvedPipeline } from "../resolve/resolved.ts";
import { parseSource, parsingSource } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, errorAt, UNITS_OF_ERROR, validationFailed } from "../validate/errors.ts";
import { nestedCell } from "../validate/matrix.ts";
import { isMap } from "../validate/read_values.ts";
import { jobEntries } from "../validate/templates.ts";
import { validatePipeline } from "../validate/validated_pipeline.ts";
import { kindOf } from "../validate/values.ts";

/** The keys of a pipeline that a job uploads to its run, beside `x-…`. */
const KEYS = ["jobs", "templates", "env", "defaults"];

/** The run that gets the jobs. */
export interface UploadTarget {
	pipeline: ResolvedPipeline;
	project: string;
	event: string;
}

/**
 * The jobs that a job adds to its run, from the pipeline that it uploads. They are validated together
 * with the jobs that the run has, which they may need.
 * @throws ApiError `malformed`, `validation_failed`
 */
export function* resolvingUpload(text: string, { pipeline, project, event }: UploadTarget): SlicedWork<ResolvedJob[]> {
	const document = yield* parsingSource(text);
	const composed = yield* composing(document, document.value, [], null);
	const root: Placed = { value: composed.value, origin: { document: composed.document, path: [], file: null, via: null } };
	const errors = keyErrors(root, pipeline);
	if (errors.length > 0) throw validationFailed(errors);
	const jobs = memberOf(root, "jobs");
	const known = standIns(pipeline);
	const together = mapOf([...membersOf(memberOf(known, "jobs")), ...membersOf(jobs)], jobs.origin);
	const whole = documentOf(
		mapOf([...membersOf(root, (key) => key === "jobs"), ["params", memberOf(known, "params")], ["jobs", together]], root.origin),
		[],
	);
	const valid = yield* validatePipeline(whole, whole.value, []);
	const resolved = yield* resolvePipeline(valid, {
		env: {},
		source: undefined,
		runs_on: undefined,
		container: undefined,
		priority: pipeline.priority,
		params: pipeline.params,
		branch: pipeline.branch ?? undefined,
		changed: undefined,
		project,
		repository: null,
		needsRepository: false,
		event,
		pullRequest: pipeline.pull_request,
		mergeTarget: pipeline.merge_target,
		sha: pipeline.sha,
		baseSha: pipeline.base_sha,
		includes: [],
		isCommand: false,
		isBesidePush: false,
	});
	const paths = new Map(jobEntries(valid).map(([key, { path }]) => [key, path]));
	const found = [...resolved.errors, ...(yield* checkReferences(resolved.pipeline.jobs, paths, resolved.open))];
	yield found.length * UNITS_OF_ERROR;
	if (found.length > 0) throw validationFailed(found.map(({ path, message, suggestion }) => errorAt(whole, path, message, suggestion)));
	const added = resolved.pipeline.jobs.filter(({ key }) => Object.hasOwn(jobs.value as object, key));
	const bytes = new TextEncoder().encode(definitionJson({ ...pipeline, jobs: [...pipeline.jobs, ...added] })).byteLength;
	if (bytes <= MAX_RESOLVED_BYTES) return added;
	throw new ApiError("validation_failed", `With these jobs the pipeline of the run has more than ${MAX_RESOLVED_BYTES} bytes.`, {
		details: { errors: [], limit: MAX_RESOLVED_BYTES },
		suggestions: ["Move long scripts into the repository and call them."],
	});
}

/** What the uploaded pipeline may not have, and jobs that the run has already. */
function keyErrors(root: Placed, { jobs: known }: ResolvedPipeline): FieldError[] {
	const { document } = root.origin;
	if (!isMap(root.value)) return [errorAt(document, [], `Expected a pipeline, got ${kindOf(root.value)}.`, "Begin with: jobs:")];
	const errors = Object.keys(root.value)
		.filter((key) => !KEYS.includes(key) && !key.startsWith("x-"))
		.map((key) =>
			errorAt(document, [key], `A pipeline that is uploaded to a run has no ${code(key)}.`, `It may have: ${KEYS.join(", ")}.`, {
				atKey: true,
			}),
		);
	const { jobs } = root.value;
	if (!isMap(jobs))
		return [
			...errors,
			errorAt(document, ["jobs"], "`jobs` is missing, or is no map.", "Write the jobs by their ids: jobs: { test: { steps: [make] } }."),
		];
	const taken = new Set(known.map(({ key }) => key));
	const twice = Object.keys(jobs).filter((key) => taken.has(key));
	return [
		...errors,
		...twice.map((key) =>
			errorAt(document, ["jobs", key], `The run has a job ${code(key)} already.`, "Choose another id.", { atKey: true }),
		),
	];
}

/** The jobs and parameters of a run as a text would have them, as far as other jobs can refer to them. */
function standIns({ jobs, params, doubles }: ResolvedPipeline): Placed {
	const byKey = Map.groupBy(jobs, ({ key }) => key);
	const text = JSON.stringify({
		jobs: Object.fromEntries([...byKey].map(([key, matrixJobs]) => [key, standIn(matrixJobs)])),
		params: Object.fromEntries(
			Object.entries(params).map(([name, value]) => [name, { type: doubles.includes(name) ? "number" : typeOf(value) }]),
		),
	});
	const document = parseSource(text);
	return { value: document.value, origin: { document, path: [], file: null, via: null } };
}

function standIn(matrixJobs: readonly ResolvedJob[]): object {
	const [first] = matrixJobs;
	const cells = matrixJobs.flatMap(({ matrix }) => (matrix === null ? [] : [matrix]));
	const saves = first && first.artifacts.save.length + first.artifacts.entries.length > 0;
	return {
		steps: ["true"],
		outputs: first?.outputs ?? [],
		...(saves ? { artifacts: { save: ["*"] } } : {}),
		...(cells.length > 0 ? { matrix: { include: cells.map((cell) => nestedCell(cell)) } } : {}),
	};
}

function typeOf(value: string | number | boolean): string {
	return typeof value === "boolean" ? "boolean" : typeof value === "number" ? "integer" : "string";
}
