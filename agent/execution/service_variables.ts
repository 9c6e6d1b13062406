import type { Assignment } from "../../schema/wire/protocol.ts";

/** Where a port of a service is: by its service and by the port in it. */
export type ServicePlaces = ReadonlyMap<string, ReadonlyMap<number, number>>;

/**
 * The variables that say where services are: `CI_SERVICE_DB_HOST`, `CI_SERVICE_DB_PORT` for the
 * first port, and `CI_SERVICE_DB_PORT_5432` for each.
 * @param places the ports of this machine; null for a job in a container, which uses those of the
 * services
 */
export function serviceVariables(services: Assignment["services"], places: ServicePlaces | null): Record<string, string> {
	const variables: Record<string, string> = {};
	for (const { name, ports } of services) {
		const prefix = `CI_SERVICE_${name.toUpperCase().replaceAll("-", "_")}`;
		const known = ports.map(({ port }) => [port, places === null ? port : places.get(name)?.get(port)] as const);
		if (known.length > 0) variables[`${prefix}_HOST`] = places === null ? name : "localhost";
		for (const [port, place] of known) {
			variables[`${prefix}_PORT`] ??= String(place);
			variables[`${prefix}_PORT_${port}`] = String(place);
		}
	}
	return variables;
}
