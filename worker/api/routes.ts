import { pageRoutes } from "../pages/routes.ts";
import { agentTokenRoutes } from "./agent_tokens.ts";
import { agentRoutes } from "./agents.ts";
import { approvalRoutes } from "./approvals.ts";
import { artifactRoutes } from "./artifacts.ts";
import { attemptRoutes } from "./attempts.ts";
import { badgeRoutes } from "./badges.ts";
import { comparisonRoutes } from "./comparisons.ts";
import { type Route, route } from "./context.ts";
import { deliveryRoutes } from "./deliveries.ts";
import { eventRoutes } from "./events.ts";
import { EVERYONE, healthRoutes } from "./health.ts";
import { hookRoutes } from "./hooks.ts";
import { hostRoutes } from "./host.ts";
import { jobLogRoutes } from "./job_log.ts";
import { jobRoutes } from "./jobs.ts";
import { manageAgentRoutes } from "./manage_agents.ts";
import { neededRoutes } from "./needed.ts";
import { notificationRoutes } from "./notifications.ts";
import { openApiRoute } from "./openapi.ts";
import { partRoutes } from "./parts.ts";
import { pipelineRoutes } from "./pipelines.ts";
import { planRoutes } from "./plans.ts";
import { projectRoutes } from "./projects.ts";
import { queueRoutes } from "./queue.ts";
import { rerunRoutes } from "./reruns.ts";
import { retentionRoutes } from "./retention.ts";
import { runRoutes } from "./runs.ts";
import { scheduleRoutes } from "./schedules.ts";
import { secretRoutes } from "./secrets.ts";
import { sessionRoutes } from "./sessions.ts";
import { sourceRoutes } from "./sources.ts";
import { storedPipelineRoutes } from "./stored_pipelines.ts";
import { testRoutes } from "./tests.ts";

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
	...planRoutes,
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
	...neededRoutes,
	...partRoutes,
	...eventRoutes,
	...queueRoutes,
	...retentionRoutes,
	...hostRoutes,
	...pageRoutes,
	route(
		"GET",
		"/openapi.json",
		EVERYONE,
		openApiRoute(() => routes),
	),
];
