import type { StoredPipeline } from "../../../schema/wire/pipelines.ts";
import type { Schedule } from "../../../schema/wire/schedules.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago, readable } from "../../ui/words.tsx";

/** The schedules of a project, each with its next and its last run. */
export function SchedulesView({
	project,
	schedules,
	pipelines,
}: {
	project: string;
	schedules: readonly Schedule[];
	pipelines: readonly StoredPipeline[];
}) {
	if (schedules.length === 0) {
		return (
			<p class="empty">
				No schedules. Add one: <code>{`windlass schedules add --project ${project} --cron "0 3 * * *"`}</code>
			</p>
		);
	}
	const nameOf = (id: string | null) => pipelines.find((one) => one.id === id)?.name ?? id;
	return (
		<div class="scroll">
			<table>
				<thead>
					<tr>
						<th scope="col">When</th>
						<th scope="col">What</th>
						<th scope="col">Next</th>
						<th scope="col">Last</th>
						<th scope="col">
							<span class="hidden">Action</span>
						</th>
					</tr>
				</thead>
				<tbody>
					{schedules.map((one) => (
						<tr key={one.id}>
							<td>
								<code>{one.cron}</code> <span class="soft">{one.timezone}</span>
							</td>
							<td>
								{one.file ?? nameOf(one.pipeline) ?? "all pipelines of the repository"}
								{one.branch && <span class="soft">{` on ${one.branch}`}</span>}
							</td>
							<td>
								{one.paused_by !== null && <span class="soft">{`paused by ${one.paused_by}`}</span>}
								{one.next.slice(0, 3).map((at) => (
									<div key={at}>{readable(at)}</div>
								))}
							</td>
							<td>
								{one.run_id ? (
									<a href={`/runs/${one.run_id}`}>{one.fired_at ? <Ago at={one.fired_at} /> : "run"}</a>
								) : (
									<span class="soft">–</span>
								)}
								{one.is_overdue && (
									<p class="reason bad">
										{one.succeeded_at === null ? "Overdue: no run of it has succeeded yet" : "Overdue: the last success was "}
										{one.succeeded_at !== null && <Ago at={one.succeeded_at} />}
										{`. One is expected every ${one.expect?.success_within}.`}
									</p>
								)}
								{one.error !== null && <p class="reason bad">{`It started no run: ${one.error}`}</p>}
							</td>
							<td>
								<PostForm action={`/schedules/${one.id}/${one.paused_by === null ? "pause" : "resume"}`}>
									<button type="submit" class="quiet">
										{one.paused_by === null ? "Pause" : "Resume"}
									</button>
								</PostForm>
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}
