import { accessSync, constants, mkdirSync } from "node:fs";
import type { Assignment, Commit } from "../../schema/wire/protocol.ts";
import { MARKER } from "../processes/attempt_processes.ts";
import type { ExecutorPaths } from "./step_executor.ts";

/**
 * The agent's variables that jobs inherit: enough to find programs and the network, and no secret.
 */
const INHERITED = ["PATH", "HOME", "LANG", "TZ", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** The variables that jobs in containers inherit: none with a path of this machine. */
const INHERITED_IN_CONTAINER = INHERITED.filter((name) => /proxy|^LANG$|^TZ$/i.test(name));

/** The part of the agent's environment that jobs in containers inherit. */
export function inheritedInContainers(own: NodeJS.ProcessEnv, passed: readonly string[]): Record<string, string> {
	return Object.fromEntries([...INHERITED_IN_CONTAINER, ...passed].flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
}

/**
 * The part of the agent's environment that jobs inherit.
 * @param passed further names, from the agent's options
 */
export function inheritedEnvironment(own: NodeJS.ProcessEnv, passed: readonly string[]): Record<string, string> {
	return Object.fromEntries([...INHERITED, ...passed].flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
}

/**
 * The environment with a writable home folder: a system account may have none. Then the agent makes
 * the fallback.
 */
export function withHome(environment: Record<string, string>, fallback: string): Record<string, string> {
	try {
		accessSync(environment.HOME ?? "", constants.W_OK);
		return environment;
	} catch {
		mkdirSync(fallback, { recursive: true, mode: 0o700 });
		return { ...environment, HOME: fallback };
	}
}

/**
 * The environment of a job: inherited variables, the pipeline's, and Windlass's, which cannot be
 * overridden.
 */
export function jobEnvironment(
	inherited: Record<string, string>,
	assignment: Assignment,
	paths: ExecutorPaths,
	commit: Commit | null,
): Record<string, string> {
	const { run, job, source } = assignment;
	const own: Record<string, string> = {
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
		CI_ENV: paths.variables,
		CI_PATH: paths.path,
		WINDLASS_FILES: paths.files,
		[MARKER]: assignment.attempt_id,
	};
	if (source && commit) {
		own.CI_COMMIT_SHA = commit.sha;
		own.CI_COMMIT_MESSAGE = commit.message;
		own.CI_COMMIT_AUTHOR = commit.author;
		const ref = commit.branch ?? commit.tag ?? ("git" in source ? source.ref : null);
		if (ref) own.CI_COMMIT_REF = ref;
		if (commit.branch) own.CI_COMMIT_BRANCH = commit.branch;
		if (commit.tag) own.CI_COMMIT_TAG = commit.tag;
	}
	return { ...inherited, TMPDIR: paths.temporary, ...assignment.env, ...own };
}
