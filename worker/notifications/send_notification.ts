import type { RunRow } from "../../schema/database/tables.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import { MIN_SECRET_BYTES } from "../../schema/wire/secrets.ts";
import { type AskedApproval, approvalOf } from "../approvals/service.ts";
import type { Environment } from "../bindings.ts";
import { NotSent, type Outgoing, send } from "../outbound/send.ts";
import type { Effect } from "../queue/core/effects/effect_types.ts";
import { previousState } from "../record/earlier_runs.ts";
import { presentRunSummary } from "../record/present.ts";
import { findRun } from "../record/runs.ts";
import { readSecrets } from "../secrets/service.ts";
import { signMessage } from "./standard_webhooks.ts";

/** Sends the notifications of a pipeline about the result of a run. */

type Notify = Extract<Effect, { kind: "notify" }>;

/**
 * @param unrecorded earlier runs that D1 may not have yet
 * @throws NotSent
 */
export async function sendNotification(
	environment: Environment,
	team: string,
	requested: Notify,
	unrecorded: readonly RunRow[],
): Promise<void> {
	const record = await findRun(environment, team, requested.runId);
	if (!record) return;
	const { run } = record;
	const isOrdinary = requested.event === "fixed" && !requested.isTest && !(await isFixed(environment, run, unrecorded));
	if (isOrdinary && !requested.notification.on.includes("success")) return;
	const notify: Notify = isOrdinary ? { ...requested, event: "success" } : requested;
	const waiting = requested.jobId === undefined ? null : (record.jobs.find(({ id }) => id === requested.jobId) ?? null);
	// Somebody was faster than this notification.
	if (waiting !== null && waiting.reason_code !== "approval") return;
	const { to } = notify.notification;
	const name = "slack" in to ? to.slack : to.secret;
	const secret = (await readSecrets(environment, team, run.project, [name])).get(name)?.trim();
	if (secret === undefined)
		throw new NotSent(`The secret ${name} does not exist. Run: windlass secrets set ${name} --project ${run.project}`, { isFinal: true });
	const baseUrl = (environment.PUBLIC_URL ?? "").replace(/\/+$/, "");
	const approval = waiting && (await approvalOf(environment, record, waiting, baseUrl));
	const message = { ...notify, run, approval, baseUrl };
	await send("slack" in to ? slackMessage(secret, message) : await webhookMessage(to.webhook, secret, message));
}

/** A message about a run, and about the job that waits for an approval; null without one. */
interface Message extends Notify {
	run: RunRow;
	approval: AskedApproval | null;
	baseUrl: string;
}

/** Whether the previous run on this branch did not succeed. */
async function isFixed(environment: Environment, run: RunRow, unrecorded: readonly RunRow[]): Promise<boolean> {
	const before = await previousState(environment, run, unrecorded);
	return before !== null && before !== "succeeded";
}

async function webhookMessage(url: string, secret: string, message: Message): Promise<Outgoing> {
	const { id, event, at, isTest, run, approval, baseUrl } = message;
	const body = JSON.stringify({
		type: `run.${event}`,
		timestamp: new Date(at).toISOString(),
		is_test: isTest,
		data: presentRunSummary(run, baseUrl),
		...(approval && { approval }),
	});
	const headers = await signMessage({ id, timestamp: Math.floor(Date.now() / 1000), body }, secret);
	return { url, method: "POST", headers: { "Content-Type": "application/json", ...headers }, body, hidden: [secret] };
}

const WORDS: Record<Notify["event"], string> = {
	start: "has started",
	success: "succeeded",
	failure: "failed",
	fixed: "is fixed",
	approval: "waits for an approval",
};
const SIGNS: Record<Notify["event"], string> = {
	start: ":arrow_forward:",
	success: ":white_check_mark:",
	failure: ":x:",
	fixed: ":white_check_mark:",
	approval: ":raised_hand:",
};

function slackMessage(url: string, { event, isTest, run, approval, baseUrl }: Message): Outgoing {
	if (!/^https?:\/\//.test(url) || !URL.canParse(url))
		throw new NotSent("The secret for Slack is not an http(s) URL. Set it to the URL of an incoming webhook.", { isFinal: true });
	const { username, password, pathname, search } = new URL(url);
	if (username !== "" || password !== "")
		throw new NotSent("The URL in the secret for Slack has a user name or a password. Delete them from the URL.", { isFinal: true });
	const name = `${run.project}: ${run.pipeline} #${run.number}`;
	const link = baseUrl ? `<${baseUrl}/runs/${run.id}|${escaped(name)}>` : escaped(name);
	const took = run.finished_at !== null && run.started_at !== null ? ` after ${formatDuration(run.finished_at - run.started_at)}` : "";
	const where = [run.branch, run.commit_sha?.slice(0, 12), run.commit_message?.split("\n", 1)[0]].filter(Boolean).join(" · ");
	const why = event === "failure" && run.reason_text ? `\n${run.reason_text.slice(0, 500)}` : "";
	const links = approval === null ? [] : approval.links.map(({ person, url: to }) => `<${to}|for ${escaped(person)}>`);
	const asked =
		approval === null
			? ""
			: `\n${[`${escaped(approval.job)}${approval.message ? `: ${escaped(approval.message)}` : ""}`, ...links].join(" · ")}`;
	const text = `${isTest ? "Test: " : ""}${SIGNS[event]} ${link} ${WORDS[event]}${took}${where ? `\n${escaped(where)}` : ""}${escaped(why)}${asked}`;
	const headers = { "Content-Type": "application/json" };
	return { url, method: "POST", headers, body: JSON.stringify({ text }), hidden: hiddenIn(pathname, search) };
}

/** The texts to hide: anybody with the URL of an incoming webhook can post to it. */
function hiddenIn(pathname: string, search: string): string[] {
	return [pathname + search, ...`${pathname}${search}`.split(/[/?&=]/)].filter((part) => part.length >= MIN_SECRET_BYTES);
}

/** Escapes the markup of Slack. */
function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
