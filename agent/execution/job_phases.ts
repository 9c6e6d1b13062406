import type { Assignment } from "../../schema/wire/protocol.ts";

/**
 * The names of a job's steps, and the positions of the agent's own steps among them; null for a
 * step that this job does not have.
 */
export interface JobPhases {
	names: string[];
	fetch: number | null;
	/** Restores the caches. */
	caches: number | null;
	/** Starts the container and the services. */
	container: number | null;
	/** The position of the pipeline's first step; those of `finally` follow the others. */
	steps: number;
	results: number | null;
}

export function phasesOf({
	source,
	steps,
	finally: last,
	artifacts,
	container,
	services,
	reports,
	caches,
	discovery,
	lists_refs,
}: Assignment): JobPhases {
	const names: string[] = [];
	const add = (name: string | null) => (name === null ? null : names.push(name) - 1);
	const checkOutName = lists_refs ? "list the refs" : "check out";
	add(source ? ("git" in source ? checkOutName : "unpack the source") : null);
	add(discovery ? "read the pipeline files" : null);
	const fetch = add(artifacts.fetch.length > 0 ? "fetch artifacts" : null);
	const restored = add(caches.length > 0 ? "restore the caches" : null);
	const prepared = add(container ? "prepare the container" : services.length > 0 ? "start the services" : null);
	const first = names.length;
	names.push(...[...steps, ...(last?.steps ?? [])].map((step) => step.name));
	const results = add(reports !== null ? "collect results" : artifacts.save.length > 0 ? "save artifacts" : null);
	return { names, fetch, caches: restored, container: prepared, steps: first, results };
}
