import type { Artifact } from "../../../schema/wire/resources.ts";
import { readable, size } from "../../ui/words.tsx";

/** A file with its link, its size, and when it expires; an expired one is crossed out. */
export function ArtifactLine({ artifact, hasName = false }: { artifact: Artifact; hasName?: boolean }) {
	const { path, url, name, expires_at, expired_at } = artifact;
	return (
		<>
			{expired_at === null ? (
				<a href={url} download>
					{path}
				</a>
			) : (
				<s title={`expired and deleted at ${readable(expired_at)}`}>{path}</s>
			)}{" "}
			<span class="soft">
				{size(artifact.size)}
				{hasName && name !== null && ` · ${name}`}
				{expired_at !== null && ", expired"}
				{expired_at === null && expires_at !== null && (
					<>
						, expires <time dateTime={expires_at}>{readable(expires_at)}</time>
					</>
				)}
			</span>
		</>
	);
}
