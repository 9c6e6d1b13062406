import { EXPOSITION_TYPE, exposition } from "../../schema/text/exposition.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { may } from "../../schema/wire/permissions.ts";
import type { Environment } from "../bindings.ts";
import { type RequestContext, route } from "../http/route.ts";
import { isSameSecret } from "../identity/digest.ts";
import { identify } from "../identity/principal.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { listTeams } from "../platform/teams.ts";
import { noRequests } from "./answered_requests.ts";
import { coordinatorMetrics, type Sources } from "./coordinator_metrics.ts";
import { metricsOf } from "./metrics_of.ts";
import { branchStates, probe } from "./probes.ts";
import { flushRequests } from "./request_counts.ts";

/** GET /metrics: what Prometheus scrapes, of all teams. */

async function scrape(context: RequestContext<"anyone">): Promise<Response> {
	await assertMayScrape(context);
	return new Response(exposition(coordinatorMetrics(await readSources(context.environment))), {
		headers: { "Content-Type": EXPOSITION_TYPE, "Cache-Control": "no-store" },
	});
}

/** What answers is told, also while something else does not. */
async function readSources(environment: Environment): Promise<Sources> {
	await flushRequests(environment, Date.now());
	const teams = await listTeams(environment.DB).catch(() => []);
	const [counted, probes, branches, ...queues] = await Promise.all([
		metricsOf(environment)
			.read()
			.catch(() => ({ requests: noRequests(), facts: null })),
		probe(environment),
		branchStates(environment.DB).catch(() => []),
		...teams.map(async (team) => ({
			team,
			metrics: await dispatcherOf(environment, team)
				.readMetrics()
				.catch(() => null),
		})),
	]);
	const answered = queues.flatMap(({ team, metrics }) => (metrics === null ? [] : { team, metrics }));
	return { ...counted, probes, branches, queues: answered, unreachable: teams.length === 0 ? 1 : queues.length - answered.length };
}

/**
 * Everybody where the operator has opened them; otherwise who has the token for metrics, and operators.
 * @throws ApiError `authentication_required`, `forbidden`
 */
async function assertMayScrape({ environment, request, client, baseUrl }: RequestContext<"anyone">): Promise<void> {
	const { METRICS_ACCESS, METRICS_TOKEN } = environment;
	if (METRICS_ACCESS === "open") return;
	const [, token = ""] = /^Bearer +(\S+)$/i.exec(request.headers.get("Authorization") ?? "") ?? [];
	if (METRICS_TOKEN && token !== "" && (await isSameSecret(token, METRICS_TOKEN))) return;
	const principal = await identify(environment, request, client, baseUrl.startsWith("https:"));
	if (principal.kind === "user" && may(principal.role, "metrics.read") && principal.projects === null) return;
	if (principal.kind !== "anyone") {
		throw new ApiError("forbidden", "Metrics are of all teams, so only operators read them.", {
			suggestions: ["Give Prometheus a token of its own: set WINDLASS_METRICS_TOKEN where the coordinator runs."],
		});
	}
	throw new ApiError("authentication_required", "Metrics need a token.", {
		suggestions: [
			"Set WINDLASS_METRICS_TOKEN where the coordinator runs, and the same as the bearer token of Prometheus.",
			"Or open them to everybody who reaches the coordinator: --open-metrics",
		],
		headers: { "WWW-Authenticate": "Bearer" },
	});
}

export const metricsRoutes = [
	route({
		method: "GET",
		path: "/metrics",
		limit: "none",
		allow: ["anyone"],
		description: {
			summary: "Metrics for Prometheus: of the token for metrics, operators, or everybody with --open-metrics",
			answers: { 200: "text/plain" },
		},
		ignoresUnknown: true,
		claims: () => ({ name: "metrics", key: null }),
		handle: scrape,
	}),
];
