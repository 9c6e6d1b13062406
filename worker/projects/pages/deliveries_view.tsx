import type { Delivery } from "../../../schema/wire/deliveries.ts";
import type { Undelivered } from "../../../schema/wire/notifications.ts";
import type { Project } from "../../../schema/wire/projects.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago, readable } from "../../ui/words.tsx";

interface DeliveriesProps {
	project: Project;
	/** The newest deliveries, newest first. */
	deliveries: readonly Delivery[];
	undelivered: readonly Undelivered[];
}

/** What the forge has sent, and what could not be sent to it. */
export function DeliveriesView({ project, deliveries, undelivered }: DeliveriesProps) {
	return (
		<>
			<UndeliveredList undelivered={undelivered} />
			<Deliveries project={project} deliveries={deliveries} />
			<Comparison project={project} />
		</>
	);
}

function UndeliveredList({ undelivered }: { undelivered: readonly Undelivered[] }) {
	if (undelivered.length === 0) return null;
	return (
		<>
			<h2>Undelivered</h2>
			<ul class="errors">
				{undelivered.map((one) => (
					<li key={`${one.run_id} ${one.what} ${one.tries}`}>
						<a href={`/runs/${one.run_id}`}>{one.what}</a>{" "}
						<span class="soft">{one.given_up ? "failed:" : `${one.tries} tries so far, will be retried:`}</span> {one.error}
					</li>
				))}
			</ul>
		</>
	);
}

/** The newest comparison of the refs, and its result. */
function Comparison({ project: { name, poll, comparison } }: { project: Project }) {
	if (comparison === null) return null;
	const { compared_at, found, next_at, error, run_id } = comparison;
	return (
		<>
			<h2>Missed pushes</h2>
			<p>
				{compared_at === null ? (
					"The refs have not been compared yet."
				) : (
					<>
						{`The refs were compared `}
						<Ago at={compared_at} />
						{found === 0 ? ": no missed pushes." : `: ${found} missed pushes, listed below as deliveries.`}
					</>
				)}{" "}
				<span class="soft">
					{poll === null ? "They are compared after an outage" : `They are compared every ${poll}`}
					{next_at === null ? "." : `, next at ${readable(next_at)}.`}
				</span>
			</p>
			{error !== null && run_id !== null && (
				<p>
					<a href={`/runs/${run_id}`}>The failed comparison</a>
				</p>
			)}
			<PostForm action={`/projects/${name}/compare`}>
				<button type="submit">Compare now</button>
			</PostForm>
		</>
	);
}

function Deliveries({ project, deliveries }: { project: Project; deliveries: readonly Delivery[] }) {
	return (
		<>
			<h2>Webhook</h2>
			<p>
				<code>{project.hook_url}</code>{" "}
				<span class="soft">
					{project.hook_secret === null ? "closed: set a hook secret in the settings" : `signed with the secret ${project.hook_secret}`}
				</span>
			</p>
			{deliveries.length > 0 && (
				<div class="scroll">
					<table>
						<thead>
							<tr>
								<th scope="col">Delivery</th>
								<th scope="col">Outcome</th>
								<th scope="col">Received</th>
								<th scope="col">
									<span class="hidden">Action</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{deliveries.map((one) => (
								<tr key={one.id}>
									<td>
										{one.event} <span class="soft">{one.forge}</span>
									</td>
									<td>{one.run_id ? <a href={`/runs/${one.run_id}`}>{one.reason}</a> : `${one.outcome}: ${one.reason}`}</td>
									<td>
										<Ago at={one.received_at} />
									</td>
									<td>
										{one.trigger && (
											<PostForm action={`/deliveries/${one.id}/replay`}>
												<button type="submit" class="quiet">
													Replay
												</button>
											</PostForm>
										)}
									</td>
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
		</>
	);
}
