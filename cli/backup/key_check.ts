import { createDecipheriv } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { UsageError } from "../usage_error.ts";
import type { Keys } from "./sealed_keys.ts";

/** Whether keys are those of a database: a backup with others would open no secret. */

/** A key of a team's secrets, encrypted with the master key: see docs/explanation/secrets.md. */
const dataKey = z.object({
	id: z.string(),
	team: z.string(),
	/** In base64. */
	iv: z.string(),
	/** The encrypted key and the tag of 16 bytes, in base64. */
	wrapped: z.string(),
});

const TAG_BYTES = 16;

/** @throws UsageError for other keys */
export function assertOpens(record: DatabaseSync, { master_key, master_key_before }: Keys): void {
	if (record.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'data_keys'").get() === undefined) return;
	const dataKeys = z.array(dataKey).parse(record.prepare("SELECT id, team, iv, wrapped FROM data_keys").all());
	const present = [master_key, master_key_before].filter((key) => key !== null);
	if (dataKeys.every((one) => present.some((key) => opens(key, one)))) return;
	throw new UsageError("The master key is not the one that the secrets are encrypted with. Give the key that the coordinator has.");
}

function opens(masterKey: string, { id, team, iv, wrapped }: z.infer<typeof dataKey>): boolean {
	const bytes = Buffer.from(wrapped, "base64");
	const decipher = createDecipheriv("aes-256-gcm", Buffer.from(masterKey, "base64"), Buffer.from(iv, "base64"), {
		authTagLength: TAG_BYTES,
	});
	decipher.setAAD(Buffer.from(JSON.stringify(["data key", team, id])));
	decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
	try {
		decipher.update(bytes.subarray(0, -TAG_BYTES));
		decipher.final();
		return true;
	} catch {
		return false;
	}
}
