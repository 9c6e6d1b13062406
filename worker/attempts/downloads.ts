import * as z from "zod";
import type { ArtifactRow } from "../../schema/database/tables.ts";
import { pathMatcher, pathPatternError } from "../../schema/pipeline/syntax/patterns.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { LEASE_TOKEN_MS } from "../../schema/wire/limits.ts";
import { isInnerPath } from "../../schema/wire/paths.ts";
import type { DownloadList } from "../../schema/wire/protocol.ts";
import * as protocol from "../../schema/wire/protocol.ts";
import { readArtifact } from "../artifacts/service.ts";
import { json } from "../http/answers.ts";
import { invalidParameter, text, type ValuesOf } from "../http/parameters.ts";
import { type AnonymousContext, type Queried, type RequestContext, route } from "../http/route.ts";
import { leaseClaims } from "../identity/lease_token.ts";
import { verifyForLease } from "../identity/signed_for_lease.ts";
import { sign } from "../identity/signing.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import type { AskedFiles, DownloadableJob } from "../queue/core/leases/attempts.ts";
import { listArtifacts } from "../record/runs.ts";
import { leaseOf } from "./service.ts";

/** The files that a job fetches from the jobs that it needs. */

const fileClaims = leaseClaims.extend({ key: z.string(), size: z.number(), part_bytes: z.number().nullable(), sha256: z.string() });

/**
 * GET …/downloads: the files to fetch, where to put each, and an address that is its own
 * credential.
 */
async function list(context: RequestContext<"lease"> & Queried<typeof ASKED>): Promise<Response> {
	const { environment, query } = context;
	const lease = leaseOf(context);
	const neededJobs = unwrap(await dispatcherOf(environment, lease.team).downloadsFor(lease, askedIn(query)));
	const found = new Map<string, DownloadList["items"][number]>();
	for (const job of neededJobs) {
		const rows = job.attemptId === null ? [] : await listArtifacts(environment, lease.team, job.attemptId);
		const files = fetchedFiles(job, rows);
		for (const row of files) {
			const path = job.into === null ? row.path : `${job.into}/${row.path}`;
			const known = found.get(path);
			if (known && known.sha256 !== row.sha256) throw collision(path, known.job, job.name);
			const { key, size, part_bytes, sha256 } = row;
			const token = await sign(environment.SIGNING_KEY, "file", { ...lease, key, size, part_bytes, sha256 }, Date.now() + LEASE_TOKEN_MS);
			found.set(path, { job: job.name, path, size, sha256, executable: row.is_executable === 1, url: `/api/v1/files/${token}` });
		}
	}
	return json({ items: [...found.values()] } satisfies DownloadList);
}

/** What a step asks for instead of what the pipeline says. */
const ASKED = {
	job: text("the key of a job that this one needs, instead of the `fetch` of the pipeline"),
	paths: text("patterns, one on each line; default: all files"),
	into: text("the folder for the files; default: the workspace"),
};

function askedIn({ job, paths, into }: ValuesOf<typeof ASKED>): AskedFiles | null {
	if (job === null) return null;
	const patterns = (paths ?? "").split("\n").filter((line) => line !== "");
	for (const pattern of patterns) {
		const error = pathPatternError(pattern);
		if (error) throw invalidParameter("paths", error.message, error.suggestion ?? "Write a pattern such as dist/**.");
	}
	if (into !== null && !isInnerPath(into))
		throw invalidParameter("into", "The folder is not in the workspace.", "Write a relative path without `..`.");
	return { key: job, paths: patterns, into };
}

function fetchedFiles(job: DownloadableJob, rows: readonly ArtifactRow[]): ArtifactRow[] {
	const matches = job.paths.length === 0 ? () => true : pathMatcher(job.paths);
	const files = rows.filter((row) => row.kind === "file" && matches(row.path));
	const expired = files.find((row) => row.expired_at !== null);
	if (expired) throw missing(job, `its file ${expired.path} has expired and been deleted`);
	// A job that did not succeed may have no files; a job that runs after it expects that.
	if (files.length === 0 && job.state === "succeeded")
		throw missing(job, job.paths.length > 0 ? `none of its artifacts matches ${job.paths.join(", ")}` : "it has no artifacts");
	return files;
}

function missing(job: DownloadableJob, why: string): ApiError {
	return new ApiError("conflict", `Cannot fetch the files of job ${job.name}: ${why}.`, {
		details: { job: job.name },
		suggestions: ["Rerun that job, or fix `fetch` in the pipeline."],
	});
}

function collision(path: string, one: string, other: string): ApiError {
	return new ApiError("conflict", `Jobs ${one} and ${other} have different files ${path}.`, {
		details: { path },
		suggestions: ["Fetch each job into its own folder: fetch: [{ job: …, matrix: { … }, into: … }]."],
	});
}

/** GET of one file. The address is the credential. */
async function get({ environment, params }: AnonymousContext): Promise<Response> {
	const file = await verifyForLease(environment, "file", params.token ?? "", (claims) => fileClaims.safeParse(claims).data ?? null);
	if (!file)
		throw new ApiError("authentication_required", "The download address is invalid or has expired.", {
			suggestions: ["Request the list of files again."],
		});
	unwrap(await dispatcherOf(environment, file.team).checkLease(file));
	const { size, sha256 } = file;
	const body = await readArtifact(environment.BUCKET, file, 0, size);
	if (!body) throw notFound("file", "of this address");
	return new Response(body, {
		headers: {
			"Content-Type": "application/octet-stream",
			"Content-Length": String(size),
			"X-Content-SHA256": sha256,
			"Cache-Control": "private, no-transform",
		},
	});
}

export const downloadRoutes = [
	route({
		method: "GET",
		path: "/api/v1/attempts/:id/downloads",
		allow: ["lease"],
		query: ASKED,
		description: { summary: "The files that the job fetches from other jobs", answers: { 200: protocol.downloadList } },
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/files/:token",
		allow: ["anyone", "lease"],
		limit: "none",
		description: { summary: "A fetched file; the address is the credential", answers: { 200: "application/octet-stream" } },
		claims: () => ({ name: "download address", key: null }),
		handle: get,
	}),
];
