import type { Core } from "../core.ts";
import type { RunRow } from "../rows.ts";

/**
 * The newest delivery of each pull request whose discovery job has ended. Discovery jobs may end in
 * another order than their deliveries.
 */

/**
 * Records the end of the discovery job of a pull request's delivery. Call it inside a command.
 * @returns whether the discovery job of a newer delivery has ended already
 */
export function isOvertaken(core: Core, { project, pull_request, trigger_delivery }: RunRow): boolean {
	if (pull_request === null || trigger_delivery === null) return false;
	core.sql.all(
		`INSERT INTO newest_deliveries (project, pull_request, delivery, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (project, pull_request) DO UPDATE SET delivery = excluded.delivery, at = excluded.at WHERE excluded.delivery > delivery`,
		project,
		pull_request,
		trigger_delivery,
		core.now(),
	);
	const newer = "SELECT 1 FROM newest_deliveries WHERE project = ? AND pull_request = ? AND delivery > ?";
	return core.sql.all(newer, project, pull_request, trigger_delivery).length > 0;
}

/** Deletes pull requests without a delivery since this time. Call it inside a command. */
export function deleteOldDeliveries(core: Core, before: number): void {
	core.sql.all("DELETE FROM newest_deliveries WHERE at < ?", before);
}
