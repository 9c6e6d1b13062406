import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import type { Environment } from "../bindings.ts";
import { findPersonNamed } from "../people/service.ts";
import { findDefinition, type JobRecord, type RunRecord } from "../record/runs.ts";
import { approvalLink } from "./approval_link.ts";

/** What a notification says about a job that waits for an approval. */

export interface AskedApproval {
	job_id: string;
	job: string;
	/** What the pipeline says that there is to decide; null if it says nothing. */
	message: string | null;
	/** The page of the job. */
	url: string;
	/** A link for each person whom the approval names. */
	links: { person: string; url: string; expires_at: string }[];
}

/** @param baseUrl the public address; empty without one: then there are no links */
export async function approvalOf(
	environment: Environment,
	{ run }: RunRecord,
	job: JobRecord["job"],
	baseUrl: string,
): Promise<AskedApproval> {
	const text = await findDefinition(environment, run.team, run);
	const approval = text === null ? null : (readDefinition(text).jobs[job.position]?.approval ?? null);
	const now = Date.now();
	const links: AskedApproval["links"] = [];
	for (const name of baseUrl === "" ? [] : (approval?.users ?? [])) {
		const person = await findPersonNamed(environment.DB, run.team, name);
		if (!person) continue;
		const link = { team: run.team, job: job.id, person: person.id, name };
		const { url, expiresAt } = await approvalLink(environment, link, { baseUrl, withinMs: approval?.timeout_ms ?? null, now });
		links.push({ person: name, url, expires_at: new Date(expiresAt).toISOString() });
	}
	return { job_id: job.id, job: job.name, message: approval?.message ?? null, url: `${baseUrl}/jobs/${job.id}`, links };
}
