import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { LogClose, LogShard } from "../../worker/bindings.ts";
import { LogStore } from "../../worker/logs/log_store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const owner = { team: "default", maxBytes: 64 * 1024 ** 2 };

let count = 0;
/** A shard with the open log of an attempt. */
async function fresh(): Promise<{ id: string; shard: DurableObjectStub<LogShard>; request: (declaredBytes: number | null) => LogClose }> {
	count += 1;
	const id = `att_${count}`;
	const shard = env.LOG_SHARD.getByName("log:test");
	await runInDurableObject(shard, (_, { storage }) => void new LogStore(storage).open(id, owner.team, Date.now()));
	return {
		...{ id, shard },
		request: (declaredBytes) => ({ attemptId: id, team: "default", leaseId: "lease", runId: "run", jobId: "job", declaredBytes }),
	};
}

const ringAlarm = (shard: DurableObjectStub<LogShard>) =>
	runInDurableObject(shard, (instance) => (instance as unknown as { alarm(): void }).alarm());

async function archived(shard: DurableObjectStub<LogShard>, id: string): Promise<string | null> {
	for (;;) {
		const piece = await shard.read(id, 0, 0);
		if (piece.isArchived) return piece.archivedKey;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

describe("a log", () => {
	test("begins only while its attempt is live", async () => {
		const shard = env.LOG_SHARD.getByName("log:test");
		expect(await shard.append("att_nobody_knows", owner, 0, bytes("x"))).toEqual({ outcome: "closed" });
		expect(await shard.putSteps("att_nobody_knows", owner, [])).toEqual({ isClosed: true });
	});

	test("that came with its result takes nothing more", async () => {
		const { id, shard } = await fresh();
		await shard.putSteps(id, owner, []);
		await shard.sendReadersOn(id);
		expect(await shard.putSteps(id, owner, [])).toEqual({ isClosed: true });
		expect(await shard.append(id, owner, 0, bytes("x"))).toEqual({ outcome: "closed" });
		expect((await shard.read(id, 0, 60_000)).isElsewhere).toBe(true);
	});

	test("takes bytes at exactly its end, however they are cut, and gives out any part of them", async () => {
		const { id, shard } = await fresh();
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

	test("of an earlier version keeps its bytes and its state under the new names", async () => {
		const { id, shard } = await fresh();
		await shard.append(id, owner, 0, bytes("kept\n"));
		await runInDurableObject(shard, (_, { storage }) => {
			for (const statement of [
				"DROP INDEX logs_closed",
				"ALTER TABLE logs RENAME COLUMN closed_at TO sealed_at",
				"ALTER TABLE chunks RENAME TO pieces",
			])
				storage.sql.exec(statement);
			storage.sql.exec("UPDATE logs SET state = 'sealed', sealed_at = 5 WHERE attempt_id = ?", id);
			const store = new LogStore(storage);
			expect(store.find(id)).toMatchObject({ state: "closed", closed_at: 5, bytes: 5 });
		});
		expect(new TextDecoder().decode((await shard.read(id, 0, 0)).bytes)).toBe("kept\n");
	});

	test("wakes a reader that waits at its end", async () => {
		const { id, shard } = await fresh();
		const waiting = shard.read(id, 0, 10_000);
		await shard.append(id, owner, 0, bytes("now"));
		expect(new TextDecoder().decode((await waiting).bytes)).toBe("now");
	});

	test("goes to R2 whole when it is closed, takes no more bytes, and leaves only a tombstone", async () => {
		const { id, shard, request } = await fresh();
		const text = "line\n".repeat(300_000);
		await shard.append(id, owner, 0, bytes(text.slice(0, 900_000)));
		await shard.append(id, owner, 900_000, bytes(text.slice(900_000)));
		await shard.close(request(text.length));
		expect(await shard.append(id, owner, text.length, bytes("late"))).toEqual({ outcome: "closed" });
		const key = await archived(shard, id);
		expect(await (await env.BUCKET.get(key ?? ""))?.text()).toBe(text);
		await shard.close(request(text.length));
		expect(await shard.append(id, owner, text.length, bytes("late"))).toEqual({ outcome: "closed" });
		for (;;) {
			await ringAlarm(shard);
			const rows = await runInDurableObject(shard, (_, state) =>
				state.storage.sql.exec("SELECT count(*) AS n FROM chunks WHERE attempt_id = ?", id).one(),
			);
			if (rows.n === 0) break;
		}
	});

	test("waits for bytes that were declared, and only for those", async () => {
		const { id, shard, request } = await fresh();
		await shard.append(id, owner, 0, bytes("first"));
		await shard.close(request(10));
		expect(await shard.append(id, owner, 5, bytes("too much"))).toEqual({ outcome: "closed" });
		expect(await shard.append(id, owner, 5, bytes("later"))).toEqual({ outcome: "appended", offset: 10 });
		const alarm = ringAlarm(shard);
		expect(await (await env.BUCKET.get((await archived(shard, id)) ?? ""))?.text()).toBe("firstlater");
		await alarm;
	});

	test("without a byte needs no object", async () => {
		const { id, shard, request } = await fresh();
		await shard.close(request(0));
		expect(await archived(shard, id)).toBeNull();
	});
});
