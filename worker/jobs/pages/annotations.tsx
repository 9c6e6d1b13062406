import type { Annotation } from "../../../schema/wire/annotations.ts";
import type { Job } from "../../../schema/wire/resources.ts";
import { Part } from "../../ui/parts.ts";

const TONES: Record<Annotation["level"], string> = { error: "bad", warning: "wait", notice: "run" };

/** What jobs say about places of the source: errors first, with a link to the job where asked. */
export function Annotations({ jobs, hasLinks = false }: { jobs: readonly Job[]; hasLinks?: boolean }) {
	const said = jobs.flatMap((job) => (job.attempts.at(-1)?.annotations ?? []).map((annotation) => ({ job, annotation })));
	if (said.length === 0) return null;
	const inOrder = Object.keys(TONES).flatMap((level) => said.filter(({ annotation }) => annotation.level === level));
	return (
		<Part id="annotations" as="ul" class="annotations" aria-label="Annotations">
			{inOrder.map(({ job, annotation }, index) => (
				<li key={index} class={`card is-${TONES[annotation.level]}`}>
					<span class={TONES[annotation.level]}>{annotation.level}</span> {annotation.file && <code>{placeOf(annotation)}</code>}{" "}
					{annotation.title && <b>{annotation.title}</b>} {hasLinks && <a href={`/jobs/${job.id}`}>{job.name}</a>}
					<div class="wraps">{annotation.text}</div>
				</li>
			))}
		</Part>
	);
}

function placeOf({ file, line }: Annotation): string {
	return line === null ? `${file}` : `${file}:${line}`;
}
