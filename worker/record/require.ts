import type { RunRow } from "../../schema/database/tables.ts";
import { notFound } from "../../schema/wire/errors.ts";
import type { Environment } from "../bindings.ts";
import type { RequestContext } from "../http/route.ts";
import { findProject } from "./projects.ts";
import { findJob, findRun, findRunRow, type JobRecord, type RunRecord } from "./runs.ts";

/** @throws ApiError `not_found` */
export async function requireJob(environment: Environment, team: string, id: string): Promise<JobRecord> {
	const record = await findJob(environment, team, id);
	if (!record) throw notFound("job", id);
	return record;
}

/** @throws ApiError `not_found` */
export async function requireRun({
	environment,
	principal,
	params,
}: Pick<RequestContext<"user" | "host">, "environment" | "params" | "principal">): Promise<RunRecord> {
	const record = await findRun(environment, principal.team, params.id ?? "");
	if (!record) throw notFound("run", params.id ?? "");
	return record;
}

/** A run without its jobs. @throws ApiError `not_found` */
export async function requireRunRow(environment: Environment, team: string, id: string): Promise<RunRow> {
	const row = await findRunRow(environment, team, id);
	if (!row) throw notFound("run", id);
	return row;
}

/** The project of the path. @throws ApiError `not_found` */
export async function requireProject({
	params,
	environment,
	principal,
}: Pick<RequestContext<"user" | "host">, "environment" | "params" | "principal">) {
	const found = await findProject(environment.DB, principal.team, params.name ?? "");
	if (!found) throw notFound("project", params.name ?? "");
	return found;
}
