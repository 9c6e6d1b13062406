import { ApiError } from "../../../schema/wire/errors.ts";
import { MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { approvalRequest } from "../../../schema/wire/resources.ts";
import { readText, validated } from "../../http/bodies.ts";
import type { RequestContext } from "../../http/route.ts";
import { roleIn } from "../../identity/project_roles.ts";
import { presentJob } from "../../record/present.ts";
import { requireJob, requireRunRow } from "../../record/require.ts";
import { backTo } from "../../ui/back_to.ts";
import { page } from "../../ui/layout.tsx";
import { openedLink } from "../approval_link.ts";
import { approveJobOf, assertMayDecideIn, declineJobOf } from "../service.ts";
import { awaitsApproval } from "./approval.tsx";

/** The page of a link that asks one person to decide about one job. */

type Reader = RequestContext<"user">;

/** GET /approve?code=… changes nothing, because link scanners and chat previews open links. */
export async function approvalLinkPage(context: Reader): Promise<Response> {
	const code = context.url.searchParams.get("code") ?? "";
	const { job, run, isOpen } = await asked(context, code);
	const children = (
		<section class="narrow">
			<h1>{`Approve ${job.name}?`}</h1>
			<p>
				{"A job of "}
				<a href={`/runs/${run.id}`}>{`${run.project}: ${run.pipeline} #${run.number}`}</a>
				{isOpen ? " waits for you." : " waits for nobody any more."}
			</p>
			{job.reason?.text && <p class="reason">{job.reason.text}</p>}
			{isOpen && (
				<form method="post" action="/approve" class="form">
					<input type="hidden" name="code" value={code} />
					<label>
						Your words, if you like <input name="comment" maxLength={500} />
					</label>
					<div class="row">
						<button type="submit" name="decision" value="approve" class="main">
							Approve
						</button>
						<button type="submit" name="decision" value="decline" class="danger">
							Decline
						</button>
					</div>
				</form>
			)}
		</section>
	);
	return page(context, { title: `Approve ${job.name}?`, section: "runs", children });
}

/** POST /approve */
export async function decideByLink(context: Reader): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_PROTOCOL_BODY_BYTES));
	const { job, run, isOpen } = await asked(context, form.get("code") ?? "");
	if (!isOpen) {
		throw new ApiError("conflict", `${job.name} waits for nobody any more, or you have decided: this link works once.`, {
			suggestions: [`Look at its run: /runs/${run.id}`],
		});
	}
	const { comment } = validated(approvalRequest, { comment: (form.get("comment") ?? "").trim() });
	const decision = form.get("decision");
	if (decision !== "approve" && decision !== "decline") {
		throw new ApiError("malformed", "The form has no decision.", { suggestions: ["Press one of its two buttons."] });
	}
	// With their role in the project.
	const principal = { ...context.principal, role: roleIn(context.principal, run.project) };
	const deciding = { ...context, principal, params: { id: job.id } };
	context.noted.link = "yes";
	if (decision === "approve") await approveJobOf(deciding, comment || null);
	else await declineJobOf(deciding, comment || null);
	return backTo(`/runs/${run.id}`);
}

/** What a link asks, and whether it can still be answered. @throws ApiError `gone`; `forbidden` for another person */
async function asked(context: Reader, code: string) {
	const { environment, principal } = context;
	const link = await openedLink(environment, code);
	if (link.team !== principal.team || link.person !== principal.personId) {
		throw new ApiError("forbidden", `This link is for ${link.name}; you are ${principal.name}.`, {
			suggestions: [`Sign in as ${link.name}.`],
		});
	}
	const record = await requireJob(environment, principal.team, link.job);
	const run = await requireRunRow(environment, principal.team, record.job.run_id);
	assertMayDecideIn(principal, run.project);
	const job = presentJob(record);
	const hasDecided = (job.approvals ?? []).some(({ by }) => by === principal.name);
	return { job, run, isOpen: awaitsApproval(job) && !hasDecided };
}
