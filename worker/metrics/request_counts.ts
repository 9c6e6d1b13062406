import { emptyHistogram, observe } from "../../schema/text/exposition.ts";
import type { Environment } from "../bindings.ts";
import type { Route } from "../http/route.ts";
import { errorFields, log } from "../platform/logger.ts";
import { addRequests, noRequests } from "./answered_requests.ts";
import { metricsOf } from "./metrics_of.ts";

/** How many requests were answered, by route. An isolate adds what it has counted to those of all others now and then. */

/** The bounds of the times of requests, in seconds. */
export const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

const FLUSH_MS = 10_000;
let counted = noRequests();
let flushedAt = 0;

/** Counts an answer. @param route undefined: there was none */
export function countAnswer(method: string, route: Route | undefined, status: number, ms: number): void {
	const name = route === undefined ? "other none" : `${route.method} ${route.path}`;
	const key = `${route === undefined ? name : `${method} ${route.path}`} ${status}`;
	counted.answered[key] = (counted.answered[key] ?? 0) + 1;
	if (route === undefined || route.waits === true) return;
	counted.seconds[name] ??= emptyHistogram(REQUEST_SECONDS);
	observe(counted.seconds[name], REQUEST_SECONDS, ms / 1_000);
}

/** Adds what this isolate has counted to the counts of all, if that is due. */
export async function flushIfDue(environment: Environment, now: number): Promise<void> {
	if (Math.abs(now - flushedAt) >= FLUSH_MS) await flushRequests(environment, now);
}

/** Adds what this isolate has counted to the counts of all. */
export async function flushRequests(environment: Environment, now: number): Promise<void> {
	const sent = counted;
	counted = noRequests();
	flushedAt = now;
	try {
		await metricsOf(environment).add(sent);
	} catch (error) {
		// They are counted with the next ones.
		addRequests(counted, sent);
		log("debug", "the counts of requests cannot be stored", errorFields(error));
	}
}
