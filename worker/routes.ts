import * as z from "zod";
import { manageAgentRoutes } from "./agents/api.ts";
import { agentRoutes } from "./agents/protocol_api.ts";
import { agentTokenRoutes } from "./agents/registration_tokens.ts";
import { approvalRoutes } from "./approvals/api.ts";
import { artifactRoutes } from "./artifacts/api.ts";
import { partRoutes } from "./artifacts/parts_api.ts";
import { attemptRoutes } from "./attempts/api.ts";
import { downloadRoutes } from "./attempts/needed_files.ts";
import { badgeRoutes } from "./badges/api.ts";
import { discoveryRoutes } from "./discovery/api.ts";
import { comparisonRoutes } from "./discovery/comparisons_api.ts";
import { eventRoutes } from "./events/api.ts";
import { openApiRoute } from "./http/openapi.ts";
import { type Route, route } from "./http/route.ts";
import { jobRoutes } from "./jobs/api.ts";
import { jobLogRoutes } from "./logs/api.ts";
import { notificationRoutes } from "./notifications/api.ts";
import { pageRoutes } from "./pages_routes.ts";
import { storedPipelineRoutes } from "./pipelines/api.ts";
import { pipelineRoutes } from "./pipelines/validate_api.ts";
import { projectRoutes } from "./projects/api.ts";
import { retentionRoutes } from "./retention/api.ts";
import { runRoutes } from "./runs/api.ts";
import { rerunRoutes } from "./runs/reruns.ts";
import { scheduleRoutes } from "./schedules/api.ts";
import { secretRoutes } from "./secrets/api.ts";
import { sessionRoutes } from "./sessions/api.ts";
import { sourceRoutes } from "./sources/api.ts";
import { EVERYONE, healthRoutes } from "./system/health.ts";
import { hostRoutes } from "./system/host.ts";
import { queueRoutes } from "./system/pause.ts";
import { testRoutes } from "./test_results/api.ts";
import { hookRoutes } from "./webhooks/api.ts";
import { deliveryRoutes } from "./webhooks/deliveries_api.ts";

/** Every route there is, and who may call it. What is not here is refused. */
export const routes: readonly Route[] = [
	...healthRoutes,
	...runRoutes,
	...rerunRoutes,
	...pipelineRoutes,
	...storedPipelineRoutes,
	...jobRoutes,
	...approvalRoutes,
	...testRoutes,
	...jobLogRoutes,
	...artifactRoutes,
	...projectRoutes,
	...discoveryRoutes,
	...comparisonRoutes,
	...hookRoutes,
	...deliveryRoutes,
	...scheduleRoutes,
	...notificationRoutes,
	...badgeRoutes,
	...secretRoutes,
	...sessionRoutes,
	...sourceRoutes,
	...agentRoutes,
	...manageAgentRoutes,
	...agentTokenRoutes,
	...attemptRoutes,
	...downloadRoutes,
	...partRoutes,
	...eventRoutes,
	...queueRoutes,
	...retentionRoutes,
	...hostRoutes,
	...pageRoutes,
	route({
		method: "GET",
		path: "/openapi.json",
		allow: EVERYONE,
		description: { summary: "This document", answers: { 200: z.record(z.string(), z.unknown()) } },
		handle: openApiRoute(() => routes),
	}),
];
