import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { type CreatedTeam, looksOf, type Team, type TeamRequest } from "../../schema/wire/teams.ts";
import type { RequestContext } from "../http/route.ts";
import { actingIn } from "../identity/acting_team.ts";
import { setActsIn } from "../identity/sessions_store.ts";
import { invitationsFor, invite, peopleFor } from "../people/service.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { log } from "../platform/logger.ts";
import * as store from "./store.ts";

/** Makes teams, and has operators act in them. */

type Caller = RequestContext<"user">;

export async function teamsFor({ environment }: Pick<Caller, "environment">): Promise<Team[]> {
	return (await store.listCounted(environment.DB)).map(present);
}

/**
 * Makes a team, and invites its first admin. The same request again answers with the same team, and
 * with no link: the first one still works, and who has people invites others itself.
 * @returns whether the team is new
 * @throws ApiError `conflict` for a team of another name, or whose slug looks like this one
 */
export async function makeTeam(context: Caller, request: TeamRequest): Promise<{ team: CreatedTeam; isNew: boolean }> {
	const { environment, principal, requestId, noted } = context;
	const { slug, name = slug, admin } = request;
	const { DB } = environment;
	const row = { slug, name, looks: looksOf(slug), created_by: principal.name, created_at: Date.now() };
	const isNew = await store.addTeam(DB, row);
	Object.assign(noted, { team: slug, name, admin: admin ?? null });
	const found = await store.findCounted(DB, slug);
	if (!found) throw lookalike(slug, (await store.findLookalike(DB, row.looks))?.slug ?? "another team");
	if (found.name !== name && request.name !== undefined) {
		throw new ApiError("conflict", `The team ${slug} exists, and is called ${found.name}.`, {
			details: { slug, name: found.name },
			suggestions: [`Choose another slug, or rename it: windlass teams rename ${slug} "${name}"`],
		});
	}
	if (isNew) log("info", "team made", { request_id: requestId, actor: principal.name, team: slug });
	return { team: { ...present(found), invitation: admin === undefined ? null : await invitationOf(context, slug, admin) }, isNew };
}

/** The link of the first admin; null if somebody was invited or has joined before. */
async function invitationOf(context: Caller, slug: string, admin: string): Promise<CreatedTeam["invitation"]> {
	const { environment, client, requestId, url } = context;
	const principal = await actingIn(environment.DB, context.principal, slug);
	const inTeam = { ...context, principal, noted: {} };
	const [people, open] = await Promise.all([peopleFor(inTeam), invitationsFor(inTeam)]);
	if (people.length > 0 || open.length > 0) return null;
	const made = await invite(inTeam, { name: admin, role: "admin", expires_in: "3d" });
	// The entry of the request is in the log of the operator's own team.
	await recordAudit(environment, slug, {
		...{ event: "people.manage", actor: principal.name, via: principal.sessionId ?? principal.tokenId, what: `POST ${url.pathname}` },
		...{ details: { name: admin, role: "admin" }, outcome: "done", address: client.address, request_id: requestId },
	});
	return { name: made.name, url: made.url, expires_at: made.expires_at };
}

function lookalike(slug: string, other: string): ApiError {
	return new ApiError("conflict", `The slug ${slug} looks like that of the team ${other}.`, {
		details: { slug, other },
		suggestions: ["Choose a slug that nobody takes for another one."],
	});
}

/** @throws ApiError `not_found` */
export async function renameTeam({ environment, params, noted }: Caller, name: string): Promise<Team> {
	const slug = params.slug ?? "";
	if (!(await store.renameTeam(environment.DB, slug, name))) throw notFound("team", slug);
	noted.name = name;
	return present((await store.findCounted(environment.DB, slug)) as store.CountedTeam);
}

/**
 * Has the session of an operator act in a team from now on.
 * @throws ApiError `not_found` for a team; `conflict` without a session
 */
export async function enterTeam({ environment, principal }: Caller, slug: string): Promise<void> {
	const { team } = await actingIn(environment.DB, principal, slug);
	if (principal.sessionId === null) {
		throw new ApiError("conflict", "Only a browser enters a team: a token names the team with each request.", {
			suggestions: ["Send the header Windlass-Team, or run the windlass commands with --team."],
		});
	}
	await setActsIn(environment.DB, principal.sessionId, team === principal.home ? null : team);
}

function present({ slug, name, created_by, created_at, people, projects }: store.CountedTeam): Team {
	return { slug, name, created_by, created_at: new Date(created_at).toISOString(), people, projects };
}
