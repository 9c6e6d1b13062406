import assert from "node:assert/strict";
import * as fc from "fast-check";
import { STAMP_BYTES } from "../../../schema/text/time_stamp.ts";
import { bytesOf, joined } from "../values/bytes.ts";
import { linesIn, output, stampedLines } from "../values/logs.ts";
import { FINISH } from "../values/protocol.ts";
import { type NetworkProperty, networkProperty } from "./network_property.ts";
import type { Target } from "./target.ts";

/** A log that is sent in pieces and read in all the ways there are: what comes out is what went in. */

/** What an agent may say of the place where its bytes belong. */
interface Piece {
	size: number;
	/** How the offset is told. */
	offset: "right" | "before" | "beyond" | "none" | "words";
	words: string;
}

const piece: fc.Arbitrary<Piece> = fc.record({
	size: fc.oneof(fc.nat(200), fc.nat(60_000)),
	offset: fc.oneof(
		{ weight: 6, arbitrary: fc.constant("right" as const) },
		fc.constantFrom("before" as const, "beyond" as const, "none" as const, "words" as const),
	),
	words: fc.constantFrom("", "-1", "-0", "1e0", "0x0", "0.0", "+0", "00", "NaN", "9007199254740992", "1 ", "bytes=0", "Infinity"),
});

interface Life {
	output: Uint8Array;
	pieces: Piece[];
	/** Bytes, from the first to the last. */
	range: [number, number];
	/** The first line, and how many. */
	block: [number, number];
}

const life: fc.Arbitrary<Life> = fc.record({
	output,
	pieces: fc.array(piece, { minLength: 1, maxLength: 12 }),
	range: fc.tuple(fc.nat(70_000), fc.nat(70_000)),
	block: fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 1000 })),
});

/** Sends the log piece by piece. @returns as much of it as was taken */
async function send(target: Target, log: Uint8Array, pieces: readonly Piece[]): Promise<number> {
	let end = 0;
	for (const { size, offset, words } of pieces) {
		const bytes = log.subarray(end, end + size);
		const told = { right: String(end), before: String(end - 1), beyond: String(end + 1), none: null, words }[offset];
		const answer = await target.ask({
			method: "PATCH",
			target: "/api/v1/attempts/{attempt}/log",
			as: "lease",
			headers: told === null ? [] : [["Upload-Offset", told]],
			body: bytes,
		});
		// A number is written in digits; whatever else is there says no place at all.
		const place = /^\d+$/.test(told?.trim() ?? "") && Number.isSafeInteger(Number(told)) ? Number(told) : null;
		const wanted = place === null ? 400 : place === end ? 204 : 409;
		assert.equal(answer?.status, wanted, `Upload-Offset ${JSON.stringify(told)} at ${end}`);
		if (wanted === 409) assert.equal(answer?.headers.get("upload-offset"), String(end));
		if (wanted !== 204) continue;
		end += bytes.byteLength;
		assert.equal(answer?.headers.get("upload-offset"), String(end));
	}
	return end;
}

async function read(
	target: Target,
	address: string,
	headers: [string, string][] = [],
	as: "admin" | "session" = "admin",
	streamMs?: number,
) {
	const answer = await target.ask({
		method: "GET",
		target: address,
		as,
		headers,
		body: null,
		...(streamMs === undefined ? {} : { streamMs }),
	});
	assert.ok(answer);
	return answer;
}

/** The lines that come as events; of a live log there is no end to wait for, only silence, and on a busy machine more of it. */
async function followedLines(target: Target, address: string, wanted: readonly string[]): Promise<string[]> {
	for (const streamMs of [30, 300, 3_000]) {
		const stream = (await read(target, address, [["Accept", "text/event-stream"]], "admin", streamMs)).body.toString();
		const events = stream.split("\n\n").filter((event) => !event.startsWith("event: partial\n"));
		const lines = events
			.flatMap((event) => event.split("\n"))
			.flatMap((line) => (line.startsWith("data: ") ? [line.slice("data: ".length)] : []));
		if (lines.length >= wanted.length) return lines;
	}
	return [];
}

/** The lines that are complete, without their newlines. */
function wholeLines(log: Uint8Array): Uint8Array[] {
	return linesIn(log)
		.filter((line) => line.at(-1) === 10)
		.map((line) => line.subarray(0, -1));
}

function textOf(bytes: Uint8Array): string {
	return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** The log in all the ways in which it can be read at once; `job` by its id, because it may be over. */
async function assertReadable(target: Target, job: string, log: Uint8Array, { range, block }: Life): Promise<void> {
	const address = `/api/v1/jobs/${job}/log`;
	assert.deepEqual(new Uint8Array((await read(target, address)).body), log);
	const raw = joined(linesIn(log).map((line) => line.subarray(STAMP_BYTES)));
	assert.deepEqual(new Uint8Array((await read(target, `${address}?format=raw`)).body), raw);
	const [from, last] = range;
	const part = await read(target, address, [["Range", `bytes=${from}-${last}`]]);
	if (from < log.byteLength && from <= last)
		assert.deepEqual([part.status, new Uint8Array(part.body)], [206, log.subarray(from, last + 1)]);
	else assert.equal(part.status, 416);
	const [first, count] = block;
	const shown = JSON.parse((await read(target, `${address}/lines?from=${first}&count=${count}`)).body.toString()) as { lines: string[] };
	const whole = wholeLines(log)
		.slice(first, first + count)
		.map(textOf);
	// Of a line that is too long the beginning is shown, or what it was overwritten with.
	for (const [index, line] of whole.entries())
		if (line.length < 4_000 || !line.includes("\r")) assert.equal(shown.lines[index]?.slice(0, 4_000), line.slice(0, 4_000));
}

/** No tag in a page comes from what a job wrote. */
async function assertMarkupIsOurs(target: Target, job: string): Promise<void> {
	await target.signIn();
	for (const address of [`/jobs/${job}`, `/jobs/${job}/lines`, `/jobs/${job}/log/block`]) {
		const { status, body } = await read(target, address, [], "session");
		assert.equal(status, 200);
		assert.doesNotMatch(body.toString(), /<script>alert|<img src=x|<\/li><img/);
	}
}

export const logProperties: NetworkProperty[] = [
	networkProperty("a log is read as it was sent", { weight: 1, most: 1_500 }, life, async (target, life) => {
		const log = stampedLines(life.output);
		await target.renewLease();
		const end = await send(target, log, life.pieces);
		const taken = log.subarray(0, end);
		const job = target.word("job");
		await assertReadable(target, job, taken, life);
		const wanted = wholeLines(taken).map((line) => textOf(line).replaceAll("\r", ""));
		assert.deepEqual(await followedLines(target, `/api/v1/jobs/${job}/log`, wanted), wanted);
		await assertMarkupIsOurs(target, job);
		const result = { ...FINISH, log: { bytes: end, sha256: null, incomplete: false } };
		const body = bytesOf(JSON.stringify(result));
		await target.ask({ method: "POST", target: "/api/v1/attempts/{attempt}/finish", as: "lease", headers: [], body });
		await assertReadable(target, job, taken, life);
	}),
];
