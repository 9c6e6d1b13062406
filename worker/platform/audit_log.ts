import type { AuditRecord } from "../../schema/wire/audit.ts";
import type { AuditLog, Environment } from "../bindings.ts";
import { withDeadline } from "./deadline.ts";
import { errorFields, log } from "./logger.ts";

/** The audit log of a team. */
export function auditLogOf(environment: Environment, team: string): DurableObjectStub<AuditLog> {
	return environment.AUDIT_LOG.getByName(`audit:${team}`);
}

/** Nothing waits longer for the log. */
const APPEND_MS = 5_000;

/**
 * Appends to the audit log. What was done is done: if the log cannot be written, the entry goes to
 * the coordinator's own log.
 */
export async function recordAudit(environment: Environment, team: string, record: Omit<AuditRecord, "at">): Promise<void> {
	try {
		await withDeadline(auditLogOf(environment, team).append({ at: Date.now(), ...record }), APPEND_MS, "the audit log");
	} catch (error) {
		log("error", "the audit log cannot be written", { ...errorFields(error), entry: JSON.stringify(record) });
	}
}
