import { type Restriction, RUN_TRUST, type RunTrust } from "../../../schema/wire/agents.ts";

const TRUST_WORDS: Record<RunTrust, string> = {
	any: "all runs",
	trusted: "only trusted runs, none from a fork",
	untrusted: "only runs from forks",
};

export function RestrictionFields({ projects, runs }: { projects: string; runs: Restriction["runs"] }) {
	return (
		<>
			<label>
				Projects <span class="soft">– separated by commas; empty: every project</span>
				<input name="projects" value={projects} placeholder="web, api" />
			</label>
			<label>
				Runs
				<select name="runs">
					{RUN_TRUST.map((one) => (
						<option key={one} value={one} selected={one === runs}>
							{TRUST_WORDS[one]}
						</option>
					))}
				</select>
			</label>
		</>
	);
}
