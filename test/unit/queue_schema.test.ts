import path from "node:path";
import { expect, test } from "vitest";
import { queueSchema } from "../support/queue_schema.ts";

test("schema.sql shows what the migrations make; `npm run schema` writes it", async () => {
	await expect(queueSchema()).toMatchFileSnapshot(path.resolve(import.meta.dirname, "../../worker/queue/core/schema.sql"));
});
