import type { DeliveryRow } from "../../schema/database/tables.ts";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import { isoTime } from "../record/iso_time.ts";

export function presentDelivery(row: DeliveryRow): Delivery {
	const { id, project, forge, delivery, event, outcome, reason, trigger, run_id, received_at } = row;
	return {
		id,
		project,
		forge,
		delivery,
		event,
		outcome,
		reason,
		trigger: trigger === null ? null : (JSON.parse(trigger) as Delivery["trigger"]),
		run_id,
		received_at: isoTime(received_at),
	};
}
