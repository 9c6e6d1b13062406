import { formatBytes } from "../../../schema/wire/bytes.ts";
import { REMOVAL_WORDS } from "../../../schema/wire/cache_words.ts";
import type { Cache, CacheUsage } from "../../../schema/wire/caches.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago, counted } from "../../ui/words.tsx";

interface CachesViewProps {
	project: string;
	/** The newest ones. */
	caches: readonly Cache[];
	usage: CacheUsage;
}

/** The caches of a project: what they take, and what was removed without anybody asking for it. */
export function CachesView({ project, caches, usage }: CachesViewProps) {
	if (usage.count === 0 && usage.tools.length === 0 && usage.removed.length === 0) {
		return (
			<p class="empty">
				No caches. Add one to a job: <code>{"cache: { key: \"npm-${{ hash('package-lock.json') }}\", paths: node_modules }"}</code>
			</p>
		);
	}
	return (
		<>
			<p>
				<meter class="room" min={0} max={usage.quota} value={usage.bytes} aria-label="Room that the caches take" />{" "}
				{`${wordsOf(usage)}; ${formatBytes(usage.bytes)} of ${formatBytes(usage.quota)}`}
			</p>
			{caches.length > 0 && <CacheTable project={project} caches={caches} />}
			{caches.length < usage.count && <p class="soft">{`The newest ${caches.length}. All of them: windlass caches ls ${project}`}</p>}
			{usage.removed.length > 0 && <Removed removed={usage.removed} />}
		</>
	);
}

function wordsOf({ count, tools }: CacheUsage): string {
	const ofTools = tools.map((one) => `${counted(one.results, "result")} of ${one.tool} (${formatBytes(one.bytes)})`);
	return [counted(count, "cache"), ...ofTools].join(", ");
}

function CacheTable({ project, caches }: Pick<CachesViewProps, "project" | "caches">) {
	return (
		<div class="scroll">
			<table>
				<thead>
					<tr>
						<th scope="col">Key</th>
						<th scope="col">Of</th>
						<th scope="col">Size</th>
						<th scope="col">Hits</th>
						<th scope="col">Last use</th>
						<th scope="col">Saved</th>
						<th scope="col">
							<span class="hidden">Action</span>
						</th>
					</tr>
				</thead>
				<tbody>
					{caches.map((one) => (
						<tr key={one.id}>
							<td class="wraps key">
								<code>{one.key}</code>
							</td>
							<td>{one.scope}</td>
							<td>
								{formatBytes(one.size)}{" "}
								<span class="soft">{`${counted(one.files, "file")}, ${formatBytes(one.unpacked_bytes)} unpacked`}</span>
							</td>
							<td>{one.hits}</td>
							<td>
								<Ago at={one.last_used_at} />
							</td>
							<td>
								<a href={`/jobs/${one.job_id}`}>
									<Ago at={one.created_at} />
								</a>
							</td>
							<td>
								<PostForm action={`/projects/${project}/caches/${one.id}/delete`}>
									<button type="submit" class="quiet" aria-label={`Delete the cache ${one.key} of ${one.scope}`}>
										Delete
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

function Removed({ removed }: Pick<CacheUsage, "removed">) {
	return (
		<>
			<h2>Removed</h2>
			<ul class="list">
				{removed.map((one, index) => (
					<li key={index}>
						<code>{one.key}</code>{" "}
						<span class="soft">
							{`${one.scope}, ${formatBytes(one.size)}, `}
							<Ago at={one.removed_at} />
							{`: ${REMOVAL_WORDS[one.why]}`}
						</span>
					</li>
				))}
			</ul>
		</>
	);
}
