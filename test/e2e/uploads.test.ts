import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { request as httpRequest } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ArtifactUploads, Offer } from "../../schema/wire/protocol.ts";
import type { Artifact, Job, Run } from "../../schema/wire/resources.ts";
import { eventually, TestCoordinator } from "../support/processes.ts";
import { ProtocolAgent, result, send } from "../support/protocol_agent.ts";

/** An agent that tries to put other bytes in place of those that it has declared, before and after the end of its attempt. */

const PART_BYTES = 32 * 1024 * 1024;
const SIZE = 2 * PART_BYTES + 1024;

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
let agent: ProtocolAgent;
beforeAll(async () => {
	// The agent of these tests renews no lease while it uploads.
	const environment = { WINDLASS_LEASE_TTL: "2m" };
	coordinator = await TestCoordinator.start({ atEnd: (clean) => void cleanups.push(clean), environment });
	agent = await ProtocolAgent.join(coordinator.url, await coordinator.registrationToken(), "uploader");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

async function started(): Promise<{ run: Run; job: Job; offer: Offer }> {
	const run = await coordinator.post<Run>("/api/v1/runs", { run: "make", runs_on: ["uploader"] });
	const offer = await agent.nextOffer();
	await agent.start(offer);
	return { run, job: run.jobs[0] as Job, offer };
}

async function uploadsOf(offer: Offer, files: object[]): Promise<ArtifactUploads["files"]> {
	const answer = await agent.attempt(offer, "POST", "artifacts", { files });
	expect(answer.status).toBe(200);
	return answer.body.files as ArtifactUploads["files"];
}

async function put(url: string, bytes: Uint8Array, digest = sha256(bytes)): Promise<number> {
	const response = await fetch(new URL(url, coordinator.url), {
		method: "PUT",
		body: new Uint8Array(bytes),
		headers: { "X-Content-SHA256": digest },
	});
	await response.text();
	return response.status;
}

const partsOf = (bytes: Uint8Array) => [0, 1, 2].map((index) => bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES));

test("each part is bound to the digest that was requested for it, and after the finish nothing is written any more", async () => {
	const { job, offer } = await started();
	const good = randomBytes(SIZE);
	const parts = partsOf(good);
	const big = { path: "big.bin", size: SIZE, sha256: sha256(good), parts: parts.map((part) => sha256(part)) };
	const small = { path: "small.txt", size: 5, sha256: sha256(Buffer.from("small")) };
	for (const wrong of [
		{ ...big, parts: [] },
		{ ...big, parts: big.parts.slice(1) },
		{ ...small, parts: [small.sha256] },
	])
		expect((await agent.attempt(offer, "POST", "artifacts", { files: [wrong] })).status).toBe(422);
	const [upload, smallUpload] = (await uploadsOf(offer, [big, small])) as [ArtifactUploads["files"][0], ArtifactUploads["files"][0]];
	const evil = Buffer.from(parts[0] as Uint8Array);
	evil[0] = (evil[0] as number) ^ 1;
	const urls = upload.parts.map(({ url }) => url);
	const smallUrl = smallUpload.parts[0]?.url as string;
	expect(await put(urls[0] as string, evil)).toBe(422);
	expect(await put(urls[0] as string, evil, big.parts[0])).toBe(422);
	for (const [index, url] of urls.entries()) expect(await put(url, parts[index] as Uint8Array)).toBe(201);
	// A try whose answer was lost comes again.
	expect(await put(urls[0] as string, parts[0] as Uint8Array)).toBe(201);
	expect(await put(smallUrl, Buffer.from("small"))).toBe(201);
	const artifacts = [
		{ path: big.path, size: SIZE, sha256: big.sha256, executable: false, kind: "file" as const, key: upload.key },
		{ path: small.path, size: 5, sha256: small.sha256, executable: false, kind: "file" as const, key: smallUpload.key },
	];
	expect((await agent.attempt(offer, "POST", "finish", result({ artifacts }))).status).toBe(200);
	for (const [index, url] of urls.entries()) {
		expect([409, 410]).toContain(await put(url, parts[index] as Uint8Array));
		expect([409, 410]).toContain(await put(url, evil));
	}
	expect([409, 410]).toContain(await put(smallUrl, Buffer.from("small")));
	expect([409, 410]).toContain((await agent.attempt(offer, "POST", "artifacts", { files: [big] })).status);
	expect([409, 410]).toContain((await agent.attempt(offer, "POST", "steps", { steps: [] })).status);
	const { items } = await coordinator.get<{ items: Artifact[] }>(`/api/v1/jobs/${job.id}/artifacts`);
	const served = await coordinator.request(items.find(({ path }) => path === "big.bin")?.url ?? "");
	expect([served.headers.get("ETag"), sha256(new Uint8Array(await served.arrayBuffer()))]).toEqual([`"${big.sha256}"`, big.sha256]);
});

test("a write that began before another one and ends after the finish changes nothing", async () => {
	const { job, offer } = await started();
	const good = randomBytes(SIZE);
	const parts = partsOf(good);
	const digests = parts.map((part) => sha256(part));
	const evil = Buffer.from(parts[0] as Uint8Array);
	evil[0] = (evil[0] as number) ^ 1;
	// The same file, requested twice: once with another first part.
	const file = { path: "big.bin", size: SIZE, sha256: sha256(good) };
	const [other] = (await uploadsOf(offer, [{ ...file, parts: [sha256(evil), ...digests.slice(1)] }])) as [ArtifactUploads["files"][0]];
	const [upload] = (await uploadsOf(offer, [{ ...file, parts: digests }])) as [ArtifactUploads["files"][0]];
	const stalled = stalledPut(new URL(other.parts[0]?.url ?? "", coordinator.url), evil);
	for (const [index, { url }] of upload.parts.entries()) expect(await put(url, parts[index] as Uint8Array)).toBe(201);
	const artifacts = [{ ...file, executable: false, kind: "file" as const, key: upload.key }];
	expect((await agent.attempt(offer, "POST", "finish", result({ artifacts }))).status).toBe(200);
	await stalled.end();
	const { items } = await coordinator.get<{ items: Artifact[] }>(`/api/v1/jobs/${job.id}/artifacts`);
	const served = await coordinator.request(items[0]?.url ?? "");
	expect(sha256(new Uint8Array(await served.arrayBuffer()))).toBe(file.sha256);
});

/** An upload of which all is sent but the last byte, until it is ended. */
function stalledPut(url: URL, bytes: Buffer): { end(): Promise<void>; cut(): Promise<void> } {
	const headers = { "Content-Length": String(bytes.length), "X-Content-SHA256": sha256(bytes) };
	const asked = httpRequest(url, { method: "PUT", headers });
	const answered = new Promise<void>((resolve, reject) => {
		asked.on("response", (answer) => answer.resume().on("end", resolve));
		asked.on("error", reject);
	});
	asked.write(bytes.subarray(0, -1));
	return {
		cut: async () => {
			asked.destroy();
			await answered.catch(() => undefined);
		},
		end: async () => {
			asked.end(bytes.subarray(-1));
			await answered;
		},
	};
}

test("an upload that is cut, or has other bytes, leaves no file behind", async () => {
	const { offer } = await started();
	const bytes = randomBytes(3_000_000);
	const [upload] = (await uploadsOf(offer, [{ path: "a.bin", size: bytes.length, sha256: sha256(bytes) }])) as [
		ArtifactUploads["files"][0],
	];
	const url = upload.parts[0]?.url as string;
	const before = blobs();
	const stalled = stalledPut(new URL(url, coordinator.url), bytes);
	await eventually(async () => blobs().length > before.length, "the file of the upload");
	await stalled.cut();
	await eventually(async () => blobs().length === before.length, "the end of the file of the cut upload");
	const other = Buffer.from(bytes);
	other[0] = (other[0] as number) ^ 1;
	expect(await put(url, other, sha256(bytes))).toBe(422);
	await eventually(async () => blobs().length === before.length, "the end of the file with other bytes");
	expect(await put(url, bytes)).toBe(201);
	expect(blobs().length).toBe(before.length + 1);
	expect((await agent.attempt(offer, "POST", "finish", result())).status).toBe(200);
});

/** The files of R2 objects, those that are being written included. */
function blobs(): string[] {
	const entries = readdirSync(coordinator.data, { recursive: true, withFileTypes: true });
	return entries.filter((entry) => entry.isFile() && path.basename(entry.parentPath) === "blobs").map(({ name }) => name);
}

test("the sha256 of a file in parts is that of the whole file, or the result is rejected", async () => {
	const { run, offer } = await started();
	const bytes = randomBytes(SIZE);
	const parts = partsOf(bytes);
	const lie = { path: "big.bin", size: SIZE, sha256: sha256(Buffer.from("something else")), parts: parts.map((part) => sha256(part)) };
	const [upload] = (await uploadsOf(offer, [lie])) as [ArtifactUploads["files"][0]];
	for (const [index, { url }] of upload.parts.entries()) expect(await put(url, parts[index] as Uint8Array)).toBe(201);
	const artifacts = [{ path: lie.path, size: SIZE, sha256: lie.sha256, executable: false, kind: "file" as const, key: upload.key }];
	const refused = await agent.attempt(offer, "POST", "finish", result({ artifacts }));
	expect([refused.status, refused.body.message]).toEqual([422, expect.stringContaining("do not match the declared sha256")]);
	expect((await agent.attempt(offer, "POST", "finish", result())).status).toBe(200);
	expect((await coordinator.get<Run>(`/api/v1/runs/${run.id}/wait`)).state).toBe("succeeded");
});

test("an attempt that was lost, or cancelled and over, writes no part", async () => {
	const { run, offer } = await started();
	const file = { path: "a", size: 1, sha256: sha256(Buffer.from("a")) };
	const [upload] = (await uploadsOf(offer, [file])) as [ArtifactUploads["files"][0]];
	const url = upload.parts[0]?.url as string;
	await coordinator.post(`/api/v1/runs/${run.id}/cancel`, {});
	expect((await agent.attempt(offer, "POST", "finish", result({ state: "cancelled" }))).status).toBe(200);
	await eventually(async () => (await coordinator.get<Run>(`/api/v1/runs/${run.id}`)).state === "cancelled", "the end of the run");
	expect(await put(url, Buffer.from("a"))).toBe(410);
	expect((await send(coordinator.url, "PUT", `${url}x`, null, "a")).status).toBe(401);
});
