import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { metricsOf } from "../metrics/service.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { listTeams } from "../platform/teams.ts";
import { resumeDeliveries } from "../webhooks/service.ts";

/** Why the coordinator accepts no new work; null if the disk has room. */
const diskNote = z.strictObject({ error: z.string().max(500).nullable() });

/** When the backup was made from which the data was restored before this start; null: it was not. */
const preparation = z.strictObject({ restored_from: z.string().max(100).nullable().default(null) });

/** Migrates the database, so it works before the database is migrated. */
export const DATABASE_PATH = "/api/v1/host/database";

const transaction = z.strictObject({
	statements: z.array(z.strictObject({ sql: z.string(), values: z.array(z.union([z.string(), z.number()])).default([]) })).min(1),
});

/** The host's own statements on D1, in one transaction: migrations and its tokens. */
async function runStatements({ readBody, environment }: RequestContext<"host"> & Bodied<typeof transaction>): Promise<Response> {
	const { statements } = await readBody();
	try {
		const answers = await environment.DB.batch(statements.map(({ sql, values }) => environment.DB.prepare(sql).bind(...values)));
		return Response.json({ results: answers.map(({ results }) => results) });
	} catch (error) {
		throw new ApiError("malformed", `The database rejects a statement: ${(error as Error).message}`, {
			suggestions: ["The program and its Worker are of different versions: build both, or install the package again."],
		});
	}
}

/**
 * The host calls this after it has stored its tokens and before it serves others: the queue
 * migrates its schema.
 */
async function prepare({ readBody, environment, principal }: RequestContext<"host"> & Bodied<typeof preparation>): Promise<Response> {
	const { restored_from } = await readBody();
	if (restored_from !== null) await ofEachTeam(environment, (queue) => queue.endFormerLeases(restored_from));
	await dispatcherOf(environment, principal.team).prepare(environment.BOOT_ID ?? "");
	return new Response(null, { status: 204 });
}

/**
 * The host calls this after each start, and when the disk becomes too full or has room again. With
 * room, deliveries without an outcome are resumed.
 */
async function setDiskError({ readBody, environment }: RequestContext<"host"> & Bodied<typeof diskNote>): Promise<Response> {
	const { error } = await readBody();
	await ofEachTeam(environment, (queue) => queue.setDiskError(error));
	if (error === null) await resumeDeliveries(environment, Date.now());
	return new Response(null, { status: 204 });
}

const facts = z.strictObject({
	disk: z.strictObject({ free: z.number(), total: z.number() }).nullable(),
	certificate_expires_at: z.number().nullable(),
	backups: z.strictObject({ every_ms: z.number(), last_at: z.number().nullable() }).nullable(),
});

/** The host says now and then how its machine is, for metrics. */
async function setFacts({ readBody, environment }: RequestContext<"host"> & Bodied<typeof facts>): Promise<Response> {
	await metricsOf(environment).setFacts(await readBody());
	return new Response(null, { status: 204 });
}

/** The host calls this before a planned stop. */
async function prepareStop({ environment }: RequestContext<"host">): Promise<Response> {
	await ofEachTeam(environment, (queue) => queue.prepareStop());
	return new Response(null, { status: 204 });
}

async function ofEachTeam(environment: Environment, does: (queue: ReturnType<typeof dispatcherOf>) => Promise<void>): Promise<void> {
	const done = await Promise.allSettled((await listTeams(environment.DB)).map((team) => does(dispatcherOf(environment, team))));
	const failed = done.find(({ status }) => status === "rejected");
	if (failed?.status === "rejected") throw failed.reason;
}

export const hostRoutes = [
	route({ method: "POST", path: DATABASE_PATH, allow: ["host"], body: transaction, handle: runStatements }),
	route({ method: "POST", path: "/api/v1/host/prepare", allow: ["host"], body: preparation, handle: prepare }),
	route({ method: "POST", path: "/api/v1/host/disk", allow: ["host"], body: diskNote, handle: setDiskError }),
	route({ method: "POST", path: "/api/v1/host/facts", allow: ["host"], body: facts, handle: setFacts }),
	route({ method: "POST", path: "/api/v1/host/planned-stop", allow: ["host"], handle: prepareStop }),
];
