import { accessSync, constants } from "node:fs";
import type { Assignment, Commit } from "../../schema/wire/protocol.ts";
import { MARKER } from "../processes/attempt_processes.ts";
import type { ExecutorPaths } from "./host_executor.ts";

/** What a job may see of the agent's own environment: enough to find programs and the network, no secret. */
const INHERITED = ["PATH", "HOME", "LANG", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** What a job in a container may see of it: nothing that is about this machine's files. */
const INHERITED_IN_CONTAINER = INHERITED.filter((name) => /proxy|^LANG$|^TZ$/i.test(name));

/** The part of the agent's own environment that jobs in containers inherit. */
export function inheritedInContainers(own: NodeJS.ProcessEnv, passed: readonly string[]): Record<string, string> {
	return Object.fromEntries([...INHERITED_IN_CONTAINER, ...passed].flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
}

/**
 * The part of the agent's own environment that jobs inherit.
 * @param passed further names that whoever runs the agent lets through
 */
export function inheritedEnvironment(own: NodeJS.ProcessEnv, passed: readonly string[]): Record<string, string> {
	return Object.fromEntries([...INHERITED, ...passed].flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
}

/** The same with a folder of the user's own that the user can write to: a system's account may have none. */
export function withHome(environment: Record<string, string>, fallback: string): Record<string, string> {
	try {
		accessSync(environment.HOME ?? "", constants.W_OK);
		return environment;
	} catch {
		return { ...environment, HOME: fallback };
	}
}

/** The environment of a job: what it inherits of the agent's, what the pipeline sets, and what Windlass tells it; the last cannot be overridden. */
export function jobEnvironment(
	inherited: Record<string, string>,
	assignment: Assignment,
	paths: ExecutorPaths,
	commit: Commit | null,
): Record<string, string> {
	const { run, job, source } = assignment;
	const told: Record<string, string> = {
		CI: "true",
		CI_SERVER_URL: assignment.server_url,
		CI_RUN_ID: run.id,
		CI_RUN_NUMBER: String(run.number),
		CI_RUN_URL: run.url,
		CI_JOB_ID: job.id,
		CI_JOB_NAME: job.name,
		CI_JOB_URL: job.url,
		CI_ATTEMPT: String(assignment.number),
		CI_PIPELINE: assignment.pipeline,
		CI_PROJECT: run.project,
		CI_EVENT: run.event,
		...(run.pull_request === null ? {} : { CI_PULL_REQUEST: String(run.pull_request) }),
		CI_WORKSPACE: paths.workspace,
		CI_OUTPUT: paths.output,
		CI_SUMMARY: paths.summary,
		[MARKER]: assignment.attempt_id,
	};
	if (source && commit) {
		told.CI_COMMIT_SHA = commit.sha;
		told.CI_COMMIT_MESSAGE = commit.message;
		told.CI_COMMIT_AUTHOR = commit.author;
		const ref = commit.branch ?? commit.tag ?? ("git" in source ? source.ref : null);
		if (ref) told.CI_COMMIT_REF = ref;
		if (commit.branch) told.CI_COMMIT_BRANCH = commit.branch;
		if (commit.tag) told.CI_COMMIT_TAG = commit.tag;
	}
	return { ...inherited, TMPDIR: paths.temporary, ...assignment.env, ...told };
}
