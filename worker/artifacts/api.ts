import { makeZip, predictLength } from "client-zip";
import type { ArtifactRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import * as resources from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { listOf } from "../http/pages.ts";
import { attempt, text } from "../http/parameters.ts";
import { rangeOf } from "../http/ranges.ts";
import { type Queried, type RequestContext, route } from "../http/route.ts";
import { requireJob } from "../record/require.ts";
import { listArtifacts } from "../record/runs.ts";
import { readArtifact } from "./objects.ts";
import { filesOf, present } from "./service.ts";

type Caller = RequestContext<"user" | "host">;

const ONE = { attempt };
const NAMED = { attempt, name: text("only artifacts with this name") };

/** The rows of a job's files, from its newest attempt or the requested one. */
async function artifactRows({ query, environment, principal, params }: Caller & Queried<typeof ONE>): Promise<ArtifactRow[]> {
	const { job, attempts } = await requireJob(environment, principal.team, params.id ?? "");
	const { attempt: number } = query;
	const attempt = number === null ? attempts.at(-1) : attempts.find((one) => one.number === number);
	if (number !== null && !attempt) throw notFound("attempt", `${number} of job ${params.id}`);
	// A rerun job whose result was reused has the files of the earlier run.
	const attemptId = attempt?.id ?? job.result_attempt;
	return attemptId ? filesOf(await listArtifacts(environment, principal.team, attemptId)) : [];
}

/** The same, limited to the requested name. */
async function namedRows(context: Caller & Queried<typeof NAMED>): Promise<ArtifactRow[]> {
	const rows = await artifactRows(context);
	const { name } = context.query;
	return name === null ? rows : rows.filter((row) => row.name === name);
}

async function list(context: Caller & Queried<typeof NAMED>): Promise<Response> {
	const jobId = context.params.id ?? "";
	const rows = await namedRows(context);
	return json({ items: rows.map((row) => present(jobId, row)), next_cursor: null });
}

/** The files of a job, or those with one name, as a zip that is streamed. */
async function downloadAll(context: Caller & Queried<typeof NAMED>): Promise<Response> {
	const { environment, params, request, query } = context;
	const { name } = query;
	const saved = await namedRows(context);
	const rows = saved.filter((row) => row.expired_at === null);
	const called = name === null ? "" : `named ${JSON.stringify(name)} `;
	if (saved.length > 0 && rows.length === 0) throw expired(`The artifacts ${called}of this job`, saved);
	if (rows.length === 0) throw notFound("artifact", `${called}of job ${params.id}`);
	const length = predictLength(rows.map((row) => ({ name: row.path, size: row.size })));
	// The length is announced before the files are read: an unreadable file breaks the download
	// off.
	const zip = request.method === "HEAD" ? null : makeZip(zipEntries(environment, rows)).pipeThrough(new FixedLengthStream(length));
	return new Response(zip, {
		headers: {
			"Content-Type": "application/zip",
			"Content-Length": String(length),
			"Content-Disposition": `attachment; filename="${params.id}-${name ?? "artifacts"}.zip"`,
			"X-Content-Type-Options": "nosniff",
			"Cache-Control": "private, no-transform",
		},
	});
}

async function* zipEntries(environment: Environment, rows: readonly ArtifactRow[]) {
	for (const row of rows) {
		const body = await readArtifact(environment.BUCKET, row, 0, row.size);
		if (!body) throw new Error(`the object of artifact ${row.path} is missing`);
		yield {
			name: row.path,
			input: body as ReadableStream<Uint8Array>,
			size: row.size,
			lastModified: new Date(row.created_at),
			mode: row.is_executable === 1 ? 0o755 : 0o644,
		};
	}
}

/** One file as a download: a browser must not run files of a build under this origin. */
async function download(context: Caller & Queried<typeof ONE>): Promise<Response> {
	const { request, environment, params } = context;
	const path = params.path ?? "";
	const row = (await artifactRows(context)).find((one) => one.path === path);
	if (!row) throw notFound("artifact", path);
	if (row.expired_at !== null) throw expired(`The artifact ${JSON.stringify(path)}`, [row]);
	const etag = `"${row.sha256}"`;
	const name = path.split("/").at(-1) ?? "artifact";
	const headers: Record<string, string> = {
		"Content-Type": "application/octet-stream",
		"Content-Disposition": `attachment; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)}`,
		"Content-Security-Policy": "sandbox; default-src 'none'",
		"X-Content-Type-Options": "nosniff",
		"Cache-Control": "private, no-transform",
		"Accept-Ranges": "bytes",
		ETag: etag,
	};
	if (isNotModified(request, etag)) return new Response(null, { status: 304, headers });
	const range = rangeOf(request, row.size, etag);
	const { start, end } = range ?? { start: 0, end: row.size };
	const body = await readArtifact(environment.BUCKET, row, start, end);
	if (!body) throw notFound("artifact", path);
	headers["Content-Length"] = String(end - start);
	if (range) headers["Content-Range"] = `bytes ${start}-${end - 1}/${row.size}`;
	return new Response(body, { status: range ? 206 : 200, headers });
}

/** The error for expired artifacts. */
function expired(what: string, rows: readonly ArtifactRow[]): ApiError {
	const hasOwnTime = rows.some(({ expires_at, expired_at }) => expires_at !== null && expired_at !== null && expires_at <= expired_at);
	const longer = hasOwnTime
		? "set a longer expire_in in the pipeline"
		: "set a longer --keep-artifacts of windlass serve or of the project";
	return new ApiError(
		"gone",
		`${what} expired and ${rows.length === 1 ? "was" : "were"} deleted at ${new Date(rows[0]?.expired_at ?? 0).toISOString()}.`,
		{
			details: rows.length === 1 ? { path: rows[0]?.path } : {},
			suggestions: [`Rerun the job, or ${longer}.`],
		},
	);
}

export const artifactRoutes = [
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/artifacts",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The artifacts of a job", answers: { 200: listOf(resources.artifact) } },
		query: NAMED,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/artifacts.zip",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The artifacts of a job as one zip, all of them or those with one name", answers: { 200: "application/zip" } },
		query: NAMED,
		handle: downloadAll,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/artifacts/:path+",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "An artifact, as a download",
			headers: {
				Range: "bytes",
				"If-Range": "its ETag; if the file has changed, the answer is the whole file",
				"If-None-Match": "its sha256 in quotes",
				"If-Match": "its ETag",
			},
			answers: { 200: "application/octet-stream", 206: "application/octet-stream", 304: null },
		},
		query: ONE,
		handle: download,
	}),
];
