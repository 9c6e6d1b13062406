import { expect, test } from "vitest";
import { withoutUnusedServices } from "../../cli/coordinator/workerd_config.ts";

test("unused services of workerd are left out, with all that refers to them", () => {
	const config = {
		services: [
			{ name: "core:user:windlass", worker: { cacheApiOutbound: { name: "cache:0" } } },
			{ name: "cache:0", worker: {} },
			{ name: "email:store-disk" },
			{
				name: "core:entry",
				worker: {
					bindings: [
						{ name: "USER", service: { name: "core:user:windlass" } },
						{ name: "EMAIL", service: { name: "email:store" } },
						{ name: "CACHE", durableObjectNamespace: { serviceName: "cache:cache" } },
						{ name: "TEXT", text: "" },
					],
				},
			},
		],
		sockets: [],
	};
	expect(withoutUnusedServices(config)).toEqual({
		services: [
			{ name: "core:user:windlass", worker: {} },
			{
				name: "core:entry",
				worker: {
					bindings: [
						{ name: "USER", service: { name: "core:user:windlass" } },
						{ name: "TEXT", text: "" },
					],
				},
			},
		],
		sockets: [],
	});
});
