/** R2 deletes up to a thousand objects in one call. */
const DELETED_AT_ONCE = 1_000;

/** Deletes objects. One that is gone is no error. */
export async function deleteObjects(bucket: R2Bucket, keys: readonly string[]): Promise<void> {
	for (let at = 0; at < keys.length; at += DELETED_AT_ONCE) await bucket.delete(keys.slice(at, at + DELETED_AT_ONCE));
}
