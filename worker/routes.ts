import * as z from "zod";
import { manageAgentRoutes } from "./agents/api.ts";
import { warmMirrorRoutes } from "./agents/mirrors_api.ts";
import { agentsPages } from "./agents/pages/routes.ts";
import { agentRoutes } from "./agents/protocol_api.ts";
import { agentTokenRoutes } from "./agents/registration_tokens.ts";
import { approvalRoutes } from "./approvals/api.ts";
import { approvalsPages } from "./approvals/pages/routes.ts";
import { artifactRoutes } from "./artifacts/api.ts";
import { partRoutes } from "./artifacts/parts_api.ts";
import { attemptRoutes } from "./attempts/api.ts";
import { downloadRoutes } from "./attempts/downloads.ts";
import { auditRoutes } from "./audit/api.ts";
import { auditPages } from "./audit/pages/audit.tsx";
import { badgeRoutes } from "./badges/api.ts";
import { buildCacheRoutes } from "./build_caches/api.ts";
import { cacheAgentRoutes } from "./caches/agent_api.ts";
import { cacheRoutes } from "./caches/api.ts";
import { cachesPages } from "./caches/pages/routes.ts";
import { discoveryRoutes } from "./discovery/api.ts";
import { comparisonRoutes } from "./discovery/comparisons_api.ts";
import { discoveryPages } from "./discovery/pages/routes.ts";
import { estimateRoutes } from "./estimates/api.ts";
import { eventRoutes } from "./events/api.ts";
import { failureRoutes } from "./failures/api.ts";
import { openApiRoute } from "./http/openapi.ts";
import { type Route, route } from "./http/route.ts";
import { identityProviderRoutes } from "./identity_providers/api.ts";
import { identityProvidersPages } from "./identity_providers/pages/identity_providers.tsx";
import { signInWithPages } from "./identity_providers/pages/sign_in_with.ts";
import { jobRoutes } from "./jobs/api.ts";
import { jobsPages } from "./jobs/pages/routes.ts";
import { loginRoutes } from "./logins/api.ts";
import { loginPages } from "./logins/pages/login.tsx";
import { jobLogRoutes } from "./logs/api.ts";
import { logsPages } from "./logs/pages/routes.ts";
import { metricsRoutes } from "./metrics/api.ts";
import { notificationRoutes } from "./notifications/api.ts";
import { notificationsPages } from "./notifications/pages/routes.ts";
import { peopleRoutes } from "./people/api.ts";
import { peoplePages } from "./people/pages/people.tsx";
import { storedPipelineRoutes } from "./pipelines/api.ts";
import { pipelinesPages } from "./pipelines/pages/routes.ts";
import { pipelineRoutes } from "./pipelines/validate_api.ts";
import { projectRoleRoutes } from "./project_roles/api.ts";
import { projectRolesPages } from "./project_roles/pages/actions.ts";
import { projectRoutes } from "./projects/api.ts";
import { projectsPages } from "./projects/pages/routes.ts";
import { quotaRoutes } from "./quotas/api.ts";
import { quotasPages } from "./quotas/pages/quotas.tsx";
import { retentionRoutes } from "./retention/api.ts";
import { runRoutes } from "./runs/api.ts";
import { runsPages } from "./runs/pages/routes.ts";
import { rerunRoutes } from "./runs/reruns.ts";
import { scheduleRoutes } from "./schedules/api.ts";
import { schedulesPages } from "./schedules/pages/routes.ts";
import { searchPages } from "./search/pages/routes.ts";
import { secretRoutes } from "./secrets/api.ts";
import { sessionRoutes } from "./sessions/api.ts";
import { sessionsPages } from "./sessions/pages/routes.ts";
import { sourceRoutes } from "./sources/api.ts";
import { healthRoutes } from "./system/health.ts";
import { hostRoutes } from "./system/host.ts";
import { systemPages } from "./system/pages/routes.ts";
import { queueRoutes } from "./system/pause.ts";
import { EVERYONE } from "./system/service.ts";
import { teamRoutes } from "./teams/api.ts";
import { teamsPages } from "./teams/pages/teams.tsx";
import { testRoutes } from "./test_results/api.ts";
import { testResultsPages } from "./test_results/pages/routes.ts";
import { tokenRoutes } from "./tokens/api.ts";
import { tokensPages } from "./tokens/pages/tokens.tsx";
import { assetRoutes } from "./ui/assets.ts";
import { hookRoutes } from "./webhooks/api.ts";
import { deliveryRoutes } from "./webhooks/deliveries_api.ts";
import { webhooksPages } from "./webhooks/pages/routes.ts";

/** All routes with their callers. Any other request is rejected. */
export const routes: readonly Route[] = [
	...healthRoutes,
	...metricsRoutes,
	...runRoutes,
	...rerunRoutes,
	...estimateRoutes,
	...failureRoutes,
	...pipelineRoutes,
	...storedPipelineRoutes,
	...jobRoutes,
	...approvalRoutes,
	...testRoutes,
	...jobLogRoutes,
	...artifactRoutes,
	...projectRoutes,
	...projectRoleRoutes,
	...discoveryRoutes,
	...comparisonRoutes,
	...hookRoutes,
	...deliveryRoutes,
	...scheduleRoutes,
	...notificationRoutes,
	...badgeRoutes,
	...secretRoutes,
	...cacheRoutes,
	...sessionRoutes,
	...tokenRoutes,
	...auditRoutes,
	...peopleRoutes,
	...identityProviderRoutes,
	...loginRoutes,
	...sourceRoutes,
	...agentRoutes,
	...manageAgentRoutes,
	...agentTokenRoutes,
	...attemptRoutes,
	...downloadRoutes,
	...partRoutes,
	...cacheAgentRoutes,
	...warmMirrorRoutes,
	...buildCacheRoutes,
	...eventRoutes,
	...queueRoutes,
	...quotaRoutes,
	...teamRoutes,
	...retentionRoutes,
	...hostRoutes,
	...runsPages,
	...jobsPages,
	...logsPages,
	...agentsPages,
	...approvalsPages,
	...notificationsPages,
	...projectsPages,
	...projectRolesPages,
	...discoveryPages,
	...webhooksPages,
	...schedulesPages,
	...cachesPages,
	...pipelinesPages,
	...testResultsPages,
	...searchPages,
	...systemPages,
	...sessionsPages,
	...tokensPages,
	...auditPages,
	...peoplePages,
	...identityProvidersPages,
	...quotasPages,
	...teamsPages,
	...signInWithPages,
	...loginPages,
	...assetRoutes,
	route({
		method: "GET",
		path: "/openapi.json",
		allow: EVERYONE,
		description: { summary: "This document", answers: { 200: z.record(z.string(), z.unknown()) } },
		handle: openApiRoute(() => routes),
	}),
];
