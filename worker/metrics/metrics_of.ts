import type { Environment, Metrics } from "../bindings.ts";

/** The object that counts for all isolates. */
export function metricsOf(environment: Environment): DurableObjectStub<Metrics> {
	return environment.METRICS.getByName("metrics");
}
