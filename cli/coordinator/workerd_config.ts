/** The configuration of workerd that Miniflare assembles, as far as the host changes it. */

interface Service {
	name?: string;
	worker?: Worker;
}

interface Worker {
	bindings?: Binding[];
	cacheApiOutbound?: { name?: string };
}

interface Binding {
	service?: { name?: string };
	durableObjectNamespace?: { serviceName?: string };
}

export interface WorkerdConfig {
	services: Service[];
}

/**
 * Services for development: the Cache API, public addresses of R2, mail, and control by tests.
 * Each is a V8 isolate from the start on; together they take 13 MB.
 */
const UNUSED = /^(cache:\d+|cache:cache|cache:storage|r2:public|email:store|email:store-disk|MINIFLARE_DEV_CONTROL)$/;

/** Removes the services that the Worker does not use, and what leads to them. */
export function withoutUnusedServices<Config extends WorkerdConfig>(config: Config): Config {
	const isUsed = (name: string | undefined) => name === undefined || !UNUSED.test(name);
	config.services = config.services.filter(({ name }) => isUsed(name));
	for (const { worker } of config.services) {
		if (worker?.bindings) {
			worker.bindings = worker.bindings.filter(
				({ service, durableObjectNamespace }) => isUsed(service?.name) && isUsed(durableObjectNamespace?.serviceName),
			);
		}
		if (!isUsed(worker?.cacheApiOutbound?.name)) delete worker?.cacheApiOutbound;
	}
	return config;
}
