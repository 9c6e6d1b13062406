import type { Restriction } from "../../../../schema/wire/agents.ts";
import type { AgentRow } from "../rows.ts";

/** Which jobs an agent may take: of which projects, and of trusted or untrusted runs. */

const NO_PROJECTS = "[]";

/** The restriction of an agent. */
export function restrictionOf(agent: Pick<AgentRow, "projects" | "runs">): Restriction {
	return { projects: JSON.parse(agent.projects) as string[], runs: agent.runs };
}

/**
 * Why an agent may not take a job, as the end of a sentence that begins with the agent's name; null
 * if it may.
 */
export function outsideRestriction(
	agent: Pick<AgentRow, "projects" | "runs">,
	{ project, is_trusted }: { project: string; is_trusted: number },
): string | null {
	// Most agents have no restriction, and each offer checks every partition.
	if (agent.projects !== NO_PROJECTS) {
		const { projects } = restrictionOf(agent);
		const [first] = projects;
		if (!projects.includes(project)) {
			return projects.length === 1 ? `takes only jobs of the project ${first}` : `takes only jobs of the projects ${projects.join(", ")}`;
		}
	}
	if (agent.runs === "trusted" && is_trusted === 0) return "takes only trusted runs; this run comes from a fork";
	if (agent.runs === "untrusted" && is_trusted === 1) return "takes only runs from forks; this run is trusted";
	return null;
}
