import type { ForgeKind } from "../../schema/wire/projects.ts";
import type { RunState } from "../../schema/wire/states.ts";
import { findProject } from "../catalog/projects.ts";
import type { Effect } from "../dispatch/core/effects.ts";
import type { Environment } from "../environment.ts";
import { log } from "../log.ts";
import { NotSent, type Outgoing, send } from "../outbound/send.ts";
import { readSecrets } from "../vault/secrets.ts";
import { type Forge, forgeOf } from "./forge.ts";

/** Commit statuses: how a run stands, beside its commit on the forge. */

type Status = Extract<Effect, { kind: "commit_status" }>;

/** What forges call the states of a run. GitHub and Gitea know four; GitLab tells running from waiting. */
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
const MAX_DESCRIPTION = 140;

/** Projects of which it was said that their statuses are not sent. */
const warned = new Set<string>();

/**
 * Tells the forge of a project how one of its commits fares. A project without a forge, or without a token for it, tells nobody.
 * @throws NotSent
 */
export async function sendCommitStatus(environment: Environment, team: string, status: Status): Promise<void> {
	const project = await findProject(environment.DB, team, status.project);
	if (!project || project.repository !== status.repository) return;
	if (project.forge === null && project.hook_secret === null) return;
	const forge = forgeOf(project);
	const { forge_token: name } = project;
	if (typeof forge === "string" || name === null) {
		warnOnce(project.name, typeof forge === "string" ? forge : "the project names no token for its forge");
		return;
	}
	const token = (await readSecrets(environment, team, project.name, [name])).get(name);
	if (token === undefined) throw new NotSent(`There is no secret ${name} for the project ${project.name}.`, { isFinal: true });
	const url = environment.PUBLIC_URL ? `${environment.PUBLIC_URL.replace(/\/+$/, "")}/runs/${status.runId}` : undefined;
	try {
		await send(requestOf(forge, token.trim(), `${project.status_context}/${status.name}`, status, url));
	} catch (error) {
		// GitLab refuses to be told what it knows: the answer to the first time was lost.
		const isKnown =
			forge.kind === "gitlab" && error instanceof NotSent && error.status === 400 && /Cannot transition status/i.test(error.message);
		if (!isKnown) throw error;
	}
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

function requestOf(
	{ kind, api, repository }: Forge,
	token: string,
	context: string,
	{ sha, state, description }: Status,
	url?: string,
): Outgoing {
	const path = kind === "gitlab" ? `/projects/${encodeURIComponent(repository)}` : `/repos/${repository}`;
	const name = kind === "gitlab" ? { name: context } : { context };
	return {
		url: `${api}${path}/statuses/${sha}`,
		method: "POST",
		headers: { ...HEADERS[kind](token), "Content-Type": "application/json" },
		body: JSON.stringify({ state: STATES[state][kind], ...name, description: shortened(description), ...(url ? { target_url: url } : {}) }),
		hidden: [token],
	};
}

function shortened(text: string): string {
	const line = text.split("\n", 1)[0] ?? "";
	return line.length > MAX_DESCRIPTION ? `${line.slice(0, MAX_DESCRIPTION - 1)}…` : line;
}
