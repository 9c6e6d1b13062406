import type { DeliveryRow, ProjectRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { isBranchOrTag } from "../../schema/wire/refs.ts";
import { type Trigger, whySkipped } from "../../schema/wire/triggers.ts";
import type { Environment } from "../bindings.ts";
import { discoverySubmission, WHOLE } from "../discovery/service.ts";
import type { BodyCheck } from "../http/checked_body.ts";
import { sha256 } from "../identity/digest.ts";
import { hex } from "../platform/bytes.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { errorFields, log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { DeliveredRef, Standing } from "../queue/core/discovery/refs.ts";
import { findProject } from "../record/projects.ts";
import { readSecrets } from "../secrets/service.ts";
import { defaultBranchIn } from "./default_branch.ts";
import type { Deliverer } from "./delivery.ts";
import { mayBeCalled } from "./forge.ts";
import { checkingPayload, isForm, payloadBytes } from "./form_payload.ts";
import { generic } from "./generic.ts";
import { gitea, github } from "./github.ts";
import { gitlab } from "./gitlab.ts";
import { type NewDelivery, noteDelivery, settleDelivery, unsettledDeliveries } from "./store.ts";

/**
 * Taking what a forge delivers: is it from the forge, was it here before, is anything to be run? What is to be run is found out by a plan, on an agent: the
 * forge has its answer long before.
 *
 * A delivery is noted before its plan is submitted, and settled after. One that is found noted and unsettled was cut short in between, or came when
 * the disk was full, and goes on: when it comes again, or when the coordinator looks (`resumeDeliveries`), as forges do not deliver again by
 * themselves. The queue knows a plan that it has by the name of the delivery.
 */

/** Gitea and Forgejo say that they are GitHub, too. */
const DELIVERERS: readonly Deliverer[] = [gitea, github, gitlab, generic];
const MINUTE_MS = 60_000;
/** What is older than this nobody waits for any more. */
const RESUMED_MS = 7 * 24 * 60 * MINUTE_MS;
const RESUMED_AT_ONCE = 100;

/** What became of a delivery. */
export interface Taken {
	row: DeliveryRow;
	isRepeat: boolean;
}

/** What comes to a hook. */
export interface Delivered {
	headers: Headers;
	/** Reads the body while it is checked; null if its signature is wrong. */
	read(check: BodyCheck): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** @throws ApiError `forbidden` for a hook that is closed, or one of another forge; `authentication_required`, `malformed` */
export async function takeDelivery(environment: Environment, project: ProjectRow, { headers, read }: Delivered): Promise<Taken> {
	const deliverer = DELIVERERS.find((one) => one.isIts(headers));
	if (!deliverer) {
		throw new ApiError("malformed", "No forge that is known delivers like this.", {
			suggestions: [
				"GitHub, Gitea, Forgejo and GitLab do; any program can with the headers webhook-id, webhook-timestamp, webhook-signature.",
			],
		});
	}
	const { forge } = deliverer;
	const check = await deliverer.check(headers, await secretOf(environment, project));
	const isTextSigned = deliverer.signsPayloadOfForms && isForm(headers);
	const bytes = check && (await read(isTextSigned ? checkingPayload(check) : check));
	if (!bytes) throw await wrongSignature(environment, project, forge);
	const { delivery: named, event } = deliverer.describe(headers);
	const payloadText = payloadBytes(headers, bytes);
	// A form can write one text in many ways: where the text is signed, the text tells deliveries apart.
	const digest = hex(await crypto.subtle.digest("SHA-256", deliverer.signsPayloadOfForms ? payloadText : bytes));
	const delivery = named === "" ? `content ${await sha256(`${event} ${digest}`)}` : named.slice(0, 200);
	const identity = { forge, delivery, event, body_digest: deliverer.signsBodyAlone ? digest : null };
	let found: Trigger | string;
	let repository: string | null = null;
	try {
		const payload = parsed(payloadText);
		repository = deliverer.repositoryOf(payload);
		found = withDefaultBranch(deliverer.read(event, payload), payload);
	} catch (error) {
		if (error instanceof ApiError)
			await note(environment, project, { ...identity, verdict: "refused", reason: error.message, trigger: null, repository });
		throw error;
	}
	const trigger = typeof found === "string" ? null : JSON.stringify(found);
	const wrongForge = otherForge(project, forge);
	if (wrongForge !== null) {
		// What it says is kept: it can be replayed once the project names the right forge.
		await note(environment, project, { ...identity, verdict: "refused", reason: wrongForge, trigger, repository });
		throw new ApiError("forbidden", `This delivery cannot be taken: ${wrongForge}.`, {
			suggestions: [`windlass projects edit ${project.name} --forge ${forge}`],
		});
	}
	const foreign = elsewhere(project, repository);
	const ignored = foreign ?? (typeof found === "string" ? found : skipped(project, found));
	// A skipped commit is heard of first: a comparison must not run it, even if recording the delivery fails.
	const skippedAt = ignored !== null && foreign === null && typeof found !== "string" ? heardOf(project, found, forge) : null;
	if (skippedAt) await dispatcherOf(environment, project.team).recordDelivered(skippedAt);
	const noted = await note(environment, project, {
		...identity,
		verdict: ignored === null ? "received" : "ignored",
		reason: ignored ?? "",
		trigger,
		repository,
	});
	if (noted.row.verdict !== "received" || noted.row.trigger === null) return noted;
	return { ...noted, row: await plan(environment, project, noted.row, JSON.parse(noted.row.trigger) as Trigger) };
}

function withDefaultBranch(found: Trigger | string, payload: unknown): Trigger | string {
	const branch = defaultBranchIn(payload);
	return typeof found === "string" || branch === null ? found : { ...found, default_branch: branch };
}

/** Why nothing of a delivery that was taken once is run with the settings of today; null if it is. */
export function objectionTo(project: ProjectRow, row: DeliveryRow, trigger: Trigger): string | null {
	return otherForge(project, row.forge) ?? elsewhere(project, row.repository) ?? skipped(project, trigger);
}

/** The minute in which a wrong signature was last noted, by project and forge: anybody could fill the list otherwise. */
const notedMinutes = new Map<string, number>();
const MAX_NOTED = 1_000;

/** Notes, once a minute, that somebody does not know the secret. What the delivery calls itself is not believed, either. */
async function wrongSignature(environment: Environment, project: ProjectRow, forge: DeliveryRow["forge"]): Promise<ApiError> {
	const minute = Math.floor(Date.now() / MINUTE_MS);
	const key = `${project.id} ${forge}`;
	if (notedMinutes.get(key) !== minute) {
		if (notedMinutes.size >= MAX_NOTED) notedMinutes.clear();
		notedMinutes.set(key, minute);
		const delivery = `refused ${new Date(minute * MINUTE_MS).toISOString()}`;
		const reason = "it is not signed with the secret of this project, or is too old";
		const unknown = { event: "unknown", trigger: null, repository: null, body_digest: null };
		await note(environment, project, { forge, delivery, verdict: "refused", reason, ...unknown });
	}
	return new ApiError("authentication_required", "The delivery is not signed with the secret of this project, or is too old.", {
		suggestions: [`Give the forge the very value of the secret ${project.hook_secret}.`],
	});
}

/** A project that names its forge takes deliveries of no other; what any program signs is told apart by its own signature. */
function otherForge(project: ProjectRow, forge: DeliveryRow["forge"]): string | null {
	if (project.forge === null || forge === "generic" || forge === "comparison" || forge === project.forge) return null;
	return `the forge of this project is ${project.forge}, and it says that it comes from ${forge}`;
}

/** Goes on with what was cut short between being noted and being planned, as far as that is possible now; what is not stays for the next time. */
export async function resumeDeliveries(environment: Environment, now: number): Promise<void> {
	for (const row of await unsettledDeliveries(environment.DB, now - RESUMED_MS, RESUMED_AT_ONCE)) {
		try {
			await resumeDelivery(environment, row);
		} catch (error) {
			if (error instanceof ApiError) return;
			log("warn", "a delivery cannot go on", { delivery: row.id, ...errorFields(error) });
		}
	}
}

/** Goes on with one that was noted. One that can never go on is refused. @throws ApiError `unavailable` */
export async function resumeDelivery(environment: Environment, row: DeliveryRow): Promise<void> {
	try {
		const project = await findProject(environment.DB, row.team, row.project);
		if (!project || row.trigger === null) throw notFound("project", row.project);
		await plan(environment, project, row, JSON.parse(row.trigger) as Trigger);
	} catch (error) {
		if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
		log("warn", "a delivery cannot go on", { delivery: row.id, ...errorFields(error) });
		await settleDelivery(environment.DB, row.id, { verdict: "refused", reason: error.message, runId: null });
	}
}

/** The commit of a branch or a tag that a delivery tells of; null for one of a pull request, and where it names no commit. */
function heardOf({ name }: ProjectRow, { kind, ref, sha, before }: Trigger, forge: DeliveryRow["forge"]): DeliveredRef | null {
	const isOfRef = kind !== "pull_request" && isBranchOrTag(ref);
	return isOfRef && sha !== null ? { project: name, ref, sha, before, isCompared: forge === "comparison" } : null;
}

/** @throws ApiError `forbidden`: a hook without a secret is closed */
async function secretOf(environment: Environment, { team, name, hook_secret }: ProjectRow): Promise<string> {
	if (hook_secret === null) {
		throw new ApiError("forbidden", "This hook is closed: its project names no secret that deliveries are signed with.", {
			suggestions: [`windlass secrets set hook --project ${name}; windlass projects edit ${name} --hook-secret hook`],
		});
	}
	const secret = (await readSecrets(environment, team, name, [hook_secret])).get(hook_secret);
	const key = secret?.trim() ?? "";
	if (key !== "") return key;
	const fault = secret === undefined ? `there is no secret ${hook_secret}` : `the secret ${hook_secret} is blank`;
	throw new ApiError("forbidden", `This hook is closed: ${fault}.`, {
		suggestions: [`windlass secrets set ${hook_secret} --project ${name}`],
	});
}

/**
 * Why a delivery is none of this project's: a hook of a whole organisation, or one with the same secret, tells of other repositories too, in which
 * others may push.
 */
function elsewhere(project: ProjectRow, about: string | null): string | null {
	if (about === null || mayBeCalled(project, about)) return null;
	return `it is about ${about.slice(0, 200)}, which is not the repository of this project (${project.repository})`;
}

/**
 * Why no discovery job is needed. One is for the default branch, whose schedules count, and for a pull request, whose earlier runs no longer wait for
 * an approval: there the discovery job skips the pipelines.
 */
function skipped({ default_branch }: ProjectRow, trigger: Trigger): string | null {
	const isRead = trigger.kind === "pull_request" || (trigger.kind === "push" && trigger.branch === default_branch);
	return isRead ? null : whySkipped(trigger, trigger.message);
}

async function note(
	environment: Environment,
	{ team, name: project }: ProjectRow,
	delivery: Omit<NewDelivery, "team" | "project">,
): Promise<Taken> {
	return noteDelivery(environment.DB, { team, project, ...delivery, event: delivery.event.slice(0, 100) });
}

/** What the reason of a delivery says of what comparisons have found. */
const STANDINGS: Record<Standing, string> = {
	new: "",
	found: ": a comparison of the refs has found it before",
	out_of_order:
		": it does not follow the newer commit that a comparison of the refs has found; another comparison runs what it may have missed",
};

async function plan(environment: Environment, project: ProjectRow, row: DeliveryRow, trigger: Trigger): Promise<DeliveryRow> {
	// GitHub tells of a merge group twice: with an event of its own, and as the push of its branch.
	const key = trigger.kind === "merge_group" ? `merge group ${trigger.ref} ${trigger.sha}` : `${row.forge} ${row.delivery}`;
	const idempotency = { scope: `hook ${project.id}`, key };
	const submit = await discoverySubmission(project, trigger, WHOLE, { delivery: row.id, idempotency });
	const dispatcher = dispatcherOf(environment, project.team);
	const heard = heardOf(project, trigger, row.forge);
	const { runId, standing } = heard
		? unwrap(await dispatcher.submitDelivered(submit, heard))
		: { ...unwrap(await dispatcher.submit(submit)), standing: "new" as const };
	const verdict = standing === "new" ? ("accepted" as const) : ("ignored" as const);
	const settled = { verdict, reason: `${describe(trigger)}${STANDINGS[standing]}` };
	await settleDelivery(environment.DB, row.id, { ...settled, runId });
	return { ...row, ...settled, run_id: runId };
}

function describe({ kind, branch, tag, sha, pull_request, merge_target }: Trigger): string {
	const at = sha === null ? "" : ` at ${sha.slice(0, 12)}`;
	if (pull_request) return `pull request #${pull_request.number} ${pull_request.event}${at}`;
	if (kind === "merge_group") return `merge group into ${merge_target ?? branch}${at}`;
	return kind === "tag" ? `tag ${tag}${at}` : `push to ${branch}${at}`;
}

function parsed(bytes: Uint8Array): unknown {
	try {
		return JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		throw new ApiError("malformed", "The delivery is not valid JSON.", { suggestions: ["Deliver what the forge sends, as it is."] });
	}
}
