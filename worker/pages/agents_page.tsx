import type { Agent } from "../../schema/wire/resources.ts";
import { Ago, size } from "./words.tsx";

/** All agents and what they run. */
export function AgentsPage({ agents }: { agents: Agent[] }) {
	return (
		<section id="agents" data-refresh>
			<h1>Agents</h1>
			{agents.length === 0 && <p class="empty">No agents yet. docs/operations.md tells how one joins.</p>}
			{agents.length > 0 && (
				<table>
					<thead>
						<tr>
							<th>Agent</th>
							<th>State</th>
							<th>Runs</th>
							<th>Labels</th>
							<th>Last heard</th>
						</tr>
					</thead>
					<tbody>
						{agents.map((agent) => (
							<tr key={agent.id}>
								<td>
									<strong>{agent.name}</strong> <span class="muted small">{agent.version}</span>
								</td>
								<td>
									<span class={`state ${agent.status}`}>{agent.status}</span>
									<div class="muted small">{`${agent.running.length} of ${agent.slots} slots`}</div>
								</td>
								<td>
									{agent.running.map((one) => (
										<div key={one.job_id}>
											<a href={`/jobs/${one.job_id}`}>{one.job_name}</a>
										</div>
									))}
									{agent.running.length === 0 && <span class="muted">nothing</span>}
								</td>
								<td>
									{agent.labels.map((label) => (
										<code key={label}>{label} </code>
									))}
									<Capabilities of={agent.capabilities} />
								</td>
								<td>{agent.last_seen_at === null ? "never" : <Ago at={agent.last_seen_at} />}</td>
							</tr>
						))}
					</tbody>
				</table>
			)}
		</section>
	);
}

/** What the machine has that jobs may ask for. */
function Capabilities({ of }: { of: Agent["capabilities"] }) {
	const facts = [
		of.cores > 0 && `${of.cores} cores`,
		of.memory > 0 && size(of.memory),
		of.disk > 0 && `${size(of.disk)} free`,
		of.container,
		...of.gpus,
	].filter(Boolean);
	const tools = Object.entries(of.tools);
	return (
		<details class="muted small">
			<summary>{[...facts, `${tools.length} tools`].join(" · ")}</summary>
			{tools.map(([tool, version]) => `${tool} ${version}`).join(", ")}
		</details>
	);
}
