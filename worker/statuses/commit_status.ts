import type { ForgeKind } from "../../schema/wire/projects.ts";
import type { RunState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { coordinatorToken, forgetCoordinatorToken } from "../forge_apps/service.ts";
import { NotSent, type Outgoing, send } from "../outbound/send.ts";
import { log } from "../platform/logger.ts";
import { linkBase } from "../platform/settings.ts";
import type { Effect } from "../queue/core/effects/effect_types.ts";
import { findProject, isRepositoryOf } from "../record/projects.ts";
import { readSecrets } from "../secrets/service.ts";
import { type Forge, forgeOf } from "../webhooks/service.ts";
import { deleteRejectionNotice, putRejectionNotice } from "./status_notices.ts";
import { statusContext, statusDescription } from "./status_text.ts";

/** Sends commit statuses: the state of a run beside its commit on the forge. */

type Status = Extract<Effect, { kind: "commit_status" }>;

/**
 * The states of a run, as each forge names them. GitHub and Gitea have four states; GitLab
 * distinguishes running from pending.
 */
const STATES: Record<RunState, { github: string; gitea: string; gitlab: string }> = {
	queued: { github: "pending", gitea: "pending", gitlab: "pending" },
	waiting: { github: "pending", gitea: "pending", gitlab: "pending" },
	running: { github: "pending", gitea: "pending", gitlab: "running" },
	cancelling: { github: "pending", gitea: "pending", gitlab: "running" },
	succeeded: { github: "success", gitea: "success", gitlab: "success" },
	skipped: { github: "success", gitea: "success", gitlab: "skipped" },
	failed: { github: "failure", gitea: "failure", gitlab: "failed" },
	timed_out: { github: "failure", gitea: "failure", gitlab: "failed" },
	errored: { github: "error", gitea: "error", gitlab: "failed" },
	cancelled: { github: "error", gitea: "error", gitlab: "canceled" },
};
/** The longest ref that GitLab stores. */
const MAX_REF = 255;

/** Projects whose missing settings were logged. */
const warned = new Set<string>();

/**
 * Sends a commit status to the forge of its project. Without a forge or a token it sends nothing.
 * @throws NotSent
 */
export async function sendCommitStatus(environment: Environment, team: string, status: Status): Promise<void> {
	const project = await findProject(environment.DB, team, status.project);
	// A run of a project may build a different repository, which the forge of the project does not know.
	if (!project || !isRepositoryOf(project, status.repository)) return;
	if (project.forge === null && project.hook_secret === null) return;
	const forge = forgeOf(project);
	const { forge_token: name } = project;
	if (typeof forge === "string" || name === null) {
		warnOnce(project.name, typeof forge === "string" ? forge : "the project has no token for its forge");
		return;
	}
	const secret = (await readSecrets(environment, team, project.name, [name])).get(name);
	if (secret === undefined)
		throw new NotSent(`The secret ${name} does not exist. Run: windlass secrets set ${name} --project ${project.name}`, { isFinal: true });
	const context = await statusContext(forge.kind, `${project.status_context}/${status.name}`);
	try {
		const token = await coordinatorToken(project, secret);
		await send(requestOf(forge, token, context, status, linkBase(environment)));
	} catch (error) {
		if (error instanceof NotSent && error.status === 401) await forgetCoordinatorToken(project, secret);
		// GitLab rejects a status that it already has, after a lost answer.
		const isKnown =
			forge.kind === "gitlab" && error instanceof NotSent && error.status === 400 && /Cannot transition status/i.test(error.message);
		if (error instanceof NotSent && project.repository === status.repository)
			await putRejectionNotice(environment.DB, project, forge, error);
		if (!isKnown) throw error;
	}
	await deleteRejectionNotice(environment.DB, project);
}

function warnOnce(project: string, why: string): void {
	if (warned.has(project)) return;
	warned.add(project);
	log("warn", "commit statuses are not sent", { project, why });
}

const HEADERS: Record<ForgeKind, (token: string) => Record<string, string>> = {
	github: (token) => ({
		Authorization: `Bearer ${token}`,
		Accept: "application/vnd.github+json",
		"X-GitHub-Api-Version": "2022-11-28",
	}),
	gitea: (token) => ({ Authorization: `token ${token}`, Accept: "application/json" }),
	gitlab: (token) => ({ "PRIVATE-TOKEN": token, Accept: "application/json" }),
};

function requestOf({ kind, api, repository }: Forge, token: string, context: string, status: Status, base: string): Outgoing {
	const { sha, state, description } = status;
	const path = kind === "gitlab" ? `/projects/${encodeURIComponent(repository)}` : `/repos/${repository}`;
	const named = kind === "gitlab" ? { name: context, ...refOf(status) } : { context };
	// On Cloudflare only PUBLIC_URL names the public address.
	const link = base === "" ? {} : { target_url: `${base}/runs/${status.runId}` };
	const body = { state: STATES[state][kind], ...named, description: statusDescription(kind, description), ...link };
	return {
		url: `${api}${path}/statuses/${sha}`,
		method: "POST",
		headers: { ...HEADERS[kind](token), "Content-Type": "application/json" },
		body: JSON.stringify(body),
		hidden: [token],
		followsWithinOrigin: true,
	};
}

/**
 * Without a ref GitLab searches a branch with the commit, and rejects commits of forks and deleted
 * branches.
 */
function refOf({ ref }: Status): { ref?: string } {
	return ref && ref.length <= MAX_REF ? { ref } : {};
}
