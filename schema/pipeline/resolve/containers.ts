import type { Scope } from "../expressions/scope.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import type { ContainerText, ServicesText } from "../validate/containers.ts";
import { resolvedTools } from "./requirements.ts";
import type { ResolvedJob } from "./resolved.ts";
import type { TemplateFiller } from "./template_filler.ts";

/** The defaults of the health checks of services. */
const HEALTH = { interval_ms: 1_000, timeout_ms: 5_000, retries: 60 };

/** The container of a job. */
export function* resolvedContainer(
	filler: TemplateFiller,
	text: ContainerText,
	scope: Scope,
	path: string[],
): SlicedWork<NonNullable<ResolvedJob["container"]>> {
	return {
		image: yield* filler.image(text.image, scope, [...path, "image"]),
		workdir: text.workdir ?? null,
		user: text.user ?? null,
		env: yield* filler.earlyMap(text.env, scope, [...path, "env"]),
		volumes: text.volumes ?? [],
		devices: text.devices ?? [],
		options: text.options ?? {},
		pull: text.pull ?? "missing",
		credentials: text.credentials ?? null,
		tools: yield* resolvedTools(filler, text.tools, scope, [...path, "tools"]),
	};
}

/** The services of a job. */
export function* resolvedServices(
	filler: TemplateFiller,
	text: ServicesText | undefined,
	scope: Scope,
	path: string[],
): SlicedWork<ResolvedJob["services"]> {
	const services: ResolvedJob["services"] = [];
	for (const [name, service] of Object.entries(text ?? {})) {
		services.push({
			name,
			image: yield* filler.image(service.image, scope, [...path, name, "image"]),
			env: yield* filler.earlyMap(service.env, scope, [...path, name, "env"]),
			command: service.command ? yield* filler.earlyList(service.command, scope, [...path, name, "command"]) : null,
			health: service.health
				? {
						command: service.health.command,
						interval_ms: service.health.interval ?? HEALTH.interval_ms,
						timeout_ms: service.health.timeout ?? HEALTH.timeout_ms,
						retries: service.health.retries ?? HEALTH.retries,
					}
				: null,
			pull: service.pull ?? "missing",
			credentials: service.credentials ?? null,
			ports: service.ports ?? [],
		});
	}
	return services;
}
