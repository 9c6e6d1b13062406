import { resolvingUpload } from "../../schema/pipeline/parse/uploaded_jobs.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import type { UploadedPipeline } from "../../schema/wire/protocol.ts";
import { json } from "../http/answers.ts";
import { readText } from "../http/bodies.ts";
import type { RequestContext } from "../http/route.ts";
import { sha256 } from "../identity/digest.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { withTurn } from "../platform/turns.ts";
import { addedBefore } from "../queue/core/runs/add_jobs.ts";
import { leaseOf } from "./service.ts";

/** Other jobs of the run may upload at the same time: then the jobs are validated again. */
const MAX_TRIES = 10;

/** POST /attempts/:id/pipeline: adds the jobs of a pipeline to the run of the attempt. */
export async function uploadPipeline(context: RequestContext<"lease">): Promise<Response> {
	const { environment, requestId } = context;
	const lease = leaseOf(context);
	const dispatcher = dispatcherOf(environment, lease.team);
	// Only a live attempt may have its text read.
	unwrap(await dispatcher.checkLease(lease));
	const text = await readText(context.request, MAX_PIPELINE_BYTES);
	const digest = await sha256(text);
	for (let tried = 0; tried < MAX_TRIES; tried += 1) {
		const target = unwrap(await dispatcher.uploadTarget(lease));
		const known = addedBefore(target.pipeline, target.key, digest);
		if (known.length > 0) return answer(known.map(({ name }) => name));
		const jobs = await withTurn(resolvingUpload(text, target), text.length);
		const added = unwrap(await dispatcher.addJobs(lease, { definition: target.definition, digest, jobs }));
		if (added === null) continue;
		log("info", "a job has added jobs to its run", { request_id: requestId, attempt: lease.attemptId, jobs: added.length });
		return answer(added);
	}
	throw new ApiError("unavailable", "Other jobs add jobs to this run at the same time.", { suggestions: ["Try again."] });
}

function answer(jobs: string[]): Response {
	return json({ jobs } satisfies UploadedPipeline);
}
