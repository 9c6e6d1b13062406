import type { ProjectRow } from "../../schema/database/tables.ts";
import { type CheckoutOptions, chosenCheckout } from "../../schema/wire/checkout.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { isHttp } from "../../schema/wire/git.ts";
import { ADHOC_PROJECT } from "../../schema/wire/projects.ts";
import type * as protocol from "../../schema/wire/protocol.ts";
import { FORGE_TOKEN } from "../../schema/wire/secrets.ts";
import type { Environment } from "../bindings.ts";
import { attemptToken } from "../forge_apps/service.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";
import { NotSent } from "../outbound/send.ts";
import { recordAudit } from "../platform/audit_log.ts";
import { withDeadline } from "../platform/deadline.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { logShardOf } from "../platform/log_shard.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { Started } from "../queue/core/leases/attempts.ts";
import { checkoutOf, findProject } from "../record/projects.ts";
import { missingSecretAdvice, readJobSecrets, readSecrets } from "../secrets/service.ts";

/** The deadline for reading secrets. */
const SECRETS_MS = 20_000;

/**
 * The project whose settings and credentials a checkout gets: only the project of the repository.
 * Without credentials a checkout needs no settings.
 */
export async function projectOfSource(
	environment: Environment,
	team: string,
	{ project, source_git }: Started["run"],
): Promise<ProjectRow | null> {
	if (source_git === null || project === ADHOC_PROJECT) return null;
	try {
		const found = await findProject(environment.DB, team, project);
		return found?.repository === source_git ? found : null;
	} catch (error) {
		if (isHttp(source_git)) throw error;
		log("warn", "cannot read the settings of a project; its checkout uses the defaults", { project, ...errorFields(error) });
		return null;
	}
}

/**
 * The secrets of a starting job, by name. A missing secret ends the attempt; if secrets are
 * unreadable, the job is snoozed. After the first step has started, the answer is empty.
 * @throws ApiError `attempt_finished`, `attempt_superseded`
 */
export async function secretsFor(
	environment: Environment,
	lease: LeaseTokenClaims,
	{ attempt, job, run, definition }: Started,
	credentials: string | null,
): Promise<Map<string, string>> {
	// Untrusted runs get no secrets. Only the agent uses the credentials of the source.
	const requested = run.is_trusted === 1 ? Object.values(definition.secrets) : [];
	const names = [...new Set([...requested, ...(credentials === null ? [] : [credentials])])];
	if (names.length === 0) return new Map();
	const shard = logShardOf(environment, lease.shard);
	if ((await shard.progress(attempt.id)).steps.some(({ state }) => state !== "pending")) return new Map();
	const dispatcher = dispatcherOf(environment, lease.team);
	let values: Map<string, string>;
	try {
		const named = { project: run.project, attemptId: attempt.id, requested, credentials };
		values = await withDeadline(readAll(environment, lease.team, named), SECRETS_MS, "the secrets");
	} catch (error) {
		log("warn", "cannot read the secrets of a job", { attempt: attempt.id, ...errorFields(error) });
		if (error instanceof NotSent && error.isFinal) {
			const text = `The forge gives no token for the job: ${error.message}`;
			unwrap(await dispatcher.fail(lease, { code: "secret_unavailable", text }));
			throw new ApiError("attempt_finished", text, { suggestions: ["Correct the settings of the project's forge, then rerun the job."] });
		}
		const text =
			error instanceof ApiError || error instanceof NotSent ? error.message : "The coordinator cannot read the secrets of the job.";
		unwrap(await dispatcher.snooze(lease, { code: "secrets", text }));
		throw new ApiError("attempt_superseded", text, { suggestions: ["The queue offers the job again later."] });
	}
	const missing = names.filter((name) => !values.has(name));
	if (missing.length > 0) {
		const text = `Project ${run.project} has no secret ${missing.join(", ")}. ${missingSecretAdvice(missing[0] ?? "", run.project)}`;
		unwrap(await dispatcher.fail(lease, { code: "secret_unavailable", text }));
		throw new ApiError("attempt_finished", text, { suggestions: ["Set the secret, then rerun the job."] });
	}
	if (requested.length > 0) {
		await recordAudit(environment, lease.team, {
			...{ event: "secrets.read", actor: `job ${job.name}`, via: null, what: `${run.project} #${run.number}` },
			details: { secrets: [...new Set(requested)].join(", "), job: job.id, agent: lease.agentId },
			...{ outcome: "done", address: null, request_id: null },
		});
	}
	// During the read, the attempt may have been lost or cancelled.
	unwrap(await dispatcher.checkLease(lease));
	return values;
}

/** What a starting attempt is to get. */
interface NamedSecrets {
	project: string;
	attemptId: string;
	/** The secrets of its job, by name. */
	requested: readonly string[];
	/** The secret that reads its source; null without one. */
	credentials: string | null;
}

/** The secrets of a job, and the credentials of its source, which are a secret of that very name. */
async function readAll(
	environment: Environment,
	team: string,
	{ project, attemptId, requested, credentials }: NamedSecrets,
): Promise<Map<string, string>> {
	const own = credentials === null ? new Map<string, string>() : await readSecrets(environment, team, project, [credentials]);
	const values = new Map([...own, ...(await readJobSecrets(environment, team, project, [...new Set(requested)]))]);
	const forge = values.get(FORGE_TOKEN);
	const settings = forge === undefined ? null : await findProject(environment.DB, team, project);
	if (forge !== undefined && settings) values.set(FORGE_TOKEN, await attemptToken(environment, settings, attemptId, forge));
	return values;
}

/** The assignment of a job that needs neither secrets nor the settings of a project. */
export function assignmentWithoutSecrets(started: Started, baseUrl: string): protocol.Assignment {
	return assignmentOf(started, new Map(), { project: null, credentials: null }, baseUrl);
}

export function assignmentOf(
	{ attempt, job, run, definition, timeLimitMs, checkout }: Started,
	values: ReadonlyMap<string, string>,
	{ project, credentials }: { project: ProjectRow | null; credentials: string | null },
	baseUrl: string,
): protocol.Assignment {
	return {
		attempt_id: attempt.id,
		number: attempt.number,
		ttl_ms: Math.max(0, attempt.deadline - Date.now()),
		now: Date.now(),
		run: {
			id: run.id,
			number: run.number,
			project: run.project,
			url: `${baseUrl}/runs/${run.id}`,
			event: run.trigger_kind,
			pull_request: run.pull_request,
		},
		pipeline: run.pipeline,
		job: { id: job.id, key: job.key, name: job.name, url: `${baseUrl}/jobs/${job.id}` },
		server_url: baseUrl,
		matrix: definition.matrix,
		env: definition.env,
		secrets: run.is_trusted === 1 ? variablesOf(definition.secrets, values) : {},
		timeout_ms: timeLimitMs,
		idle_timeout_ms: definition.idle_timeout_ms,
		runs_on: definition.runs_on,
		steps: definition.steps,
		finally: definition.finally,
		values: definition.values,
		container: definition.container,
		services: definition.services,
		outputs: definition.outputs,
		reports: definition.reports,
		caches: definition.caches,
		build_cache: null,
		discovery: definition.discovery?.work ?? null,
		lists_refs: definition.lists_refs,
		source: sourceOf(
			run,
			credentials === null ? null : (values.get(credentials) ?? null),
			chosenCheckout(checkout, project ? checkoutOf(project) : {}),
		),
		artifacts: {
			save: definition.artifacts.save,
			entries: definition.artifacts.entries,
			fetch: [...new Set(definition.artifacts.fetch.map(({ key }) => key))],
		},
	};
}

function variablesOf(names: Readonly<Record<string, string>>, values: ReadonlyMap<string, string>): Record<string, string> {
	return Object.fromEntries(
		Object.entries(names).flatMap(([variable, name]) => (values.has(name) ? [[variable, values.get(name) as string]] : [])),
	);
}

function sourceOf(
	{ source_git, source_ref, source_upload, commit_sha, is_trusted }: Started["run"],
	credentials: string | null,
	checkout: CheckoutOptions,
): protocol.Assignment["source"] {
	if (source_upload !== null) return { upload: source_upload };
	if (source_git === null) return null;
	return { git: source_git, ref: source_ref, commit: commit_sha, credentials, is_trusted: is_trusted === 1, checkout };
}
