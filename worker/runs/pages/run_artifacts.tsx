import type { Artifact, Job, Run } from "../../../schema/wire/resources.ts";
import { ArtifactLine } from "../../artifacts/pages/artifact_line.tsx";

/** A file of a run, with the job that saved it. */
export interface RunArtifact {
	job: Job;
	artifact: Artifact;
}

const SHOWN_SHORT = 5;

/** The files of a run, by job. */
export function RunArtifacts({ run, artifacts, isShort = false }: { run: Run; artifacts: readonly RunArtifact[]; isShort?: boolean }) {
	const shown = isShort ? artifacts.slice(0, SHOWN_SHORT) : artifacts;
	const byJob = Map.groupBy(shown, ({ job }) => job);
	return (
		<section aria-label="Artifacts">
			{isShort && <h2>Artifacts</h2>}
			{[...byJob].map(([job, files]) => (
				<div key={job.id}>
					{!isShort && (
						<div class="row">
							<h2 class="grow">{job.name}</h2>
							<a href={`/api/v1/jobs/${job.id}/artifacts.zip`} download>
								all as zip
							</a>
						</div>
					)}
					<ul class="plain">
						{files.map(({ artifact }) => (
							<li key={artifact.path}>
								<ArtifactLine artifact={artifact} hasName />
							</li>
						))}
					</ul>
				</div>
			))}
			{artifacts.length > shown.length && <a href={`/runs/${run.id}?tab=artifacts`}>{`All ${artifacts.length} files`}</a>}
		</section>
	);
}
