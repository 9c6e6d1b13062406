import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { CloseRequest, LogShard } from "../../worker/logs/log_shard.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const owner = { team: "default" };

let count = 0;
function fresh(): { id: string; shard: DurableObjectStub<LogShard>; request: (declaredBytes: number | null) => CloseRequest } {
	count += 1;
	const id = `att_${count}`;
	return {
		id,
		shard: env.LOG_SHARD.getByName("log:test"),
		request: (declaredBytes) => ({ attemptId: id, team: "default", leaseId: "lease", runId: "run", jobId: "job", declaredBytes }),
	};
}

async function archived(shard: DurableObjectStub<LogShard>, id: string): Promise<string | null> {
	for (;;) {
		const piece = await shard.read(id, 0, 0);
		if (piece.isArchived) return piece.archivedKey;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

describe("a log", () => {
	test("takes bytes at exactly its end, however they are cut, and gives out any part of them", async () => {
		const { id, shard } = fresh();
		const whole = crypto.getRandomValues(new Uint8Array(60_000));
		let at = 0;
		for (let size = 1; at < whole.byteLength; size = (size * 7) % 9_973) {
			const piece = whole.slice(at, at + size);
			expect(await shard.append(id, owner, at, piece)).toEqual({ outcome: "appended", offset: at + piece.byteLength });
			at += piece.byteLength;
		}
		expect(await shard.append(id, owner, 17, bytes("x"))).toEqual({ outcome: "wrong_offset", offset: whole.byteLength });
		for (const offset of [0, 1, 255, 32_768, 59_999]) {
			const piece = await shard.read(id, offset, 0);
			expect(new Uint8Array(piece.bytes)).toEqual(whole.slice(offset, offset + piece.bytes.byteLength));
			expect(piece.bytes.byteLength).toBeGreaterThan(0);
		}
	});

	test("wakes a reader that waits at its end", async () => {
		const { id, shard } = fresh();
		const waiting = shard.read(id, 0, 10_000);
		await shard.append(id, owner, 0, bytes("now"));
		expect(new TextDecoder().decode((await waiting).bytes)).toBe("now");
	});

	test("goes to R2 whole when it is sealed, takes nothing more, and leaves only a tombstone", async () => {
		const { id, shard, request } = fresh();
		const text = "line\n".repeat(300_000);
		await shard.append(id, owner, 0, bytes(text.slice(0, 900_000)));
		await shard.append(id, owner, 900_000, bytes(text.slice(900_000)));
		await shard.closeLog(request(text.length));
		expect(await shard.append(id, owner, text.length, bytes("late"))).toEqual({ outcome: "closed" });
		const key = await archived(shard, id);
		expect(await (await env.BUCKET.get(key ?? ""))?.text()).toBe(text);
		await shard.closeLog(request(text.length));
		expect(await shard.append(id, owner, text.length, bytes("late"))).toEqual({ outcome: "closed" });
		for (;;) {
			await runInDurableObject(shard, (instance) => instance.alarm());
			const rows = await runInDurableObject(shard, (_, state) =>
				state.storage.sql.exec("SELECT count(*) AS n FROM pieces WHERE attempt_id = ?", id).one(),
			);
			if (rows.n === 0) break;
		}
	});

	test("waits for bytes that were declared, and only for those", async () => {
		const { id, shard, request } = fresh();
		await shard.append(id, owner, 0, bytes("first"));
		await shard.closeLog(request(10));
		expect(await shard.append(id, owner, 5, bytes("too much"))).toEqual({ outcome: "closed" });
		expect(await shard.append(id, owner, 5, bytes("later"))).toEqual({ outcome: "appended", offset: 10 });
		const alarm = runInDurableObject(shard, (instance) => instance.alarm());
		expect(await (await env.BUCKET.get((await archived(shard, id)) ?? ""))?.text()).toBe("firstlater");
		await alarm;
	});

	test("without a byte needs no object", async () => {
		const { id, shard, request } = fresh();
		await shard.closeLog(request(0));
		expect(await archived(shard, id)).toBeNull();
	});
});
