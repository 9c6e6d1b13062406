import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { LEASE_TOKEN_MS, MAX_PARTS, PART_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import type { ArtifactPlan, ArtifactPlanAnswer, Finish } from "../../schema/wire/protocol.ts";
import type { Environment } from "../bindings.ts";
import { clientDisconnected } from "../http/client_disconnect.ts";
import { sha256 } from "../identity/digest.ts";
import { type LeaseTokenClaims, leaseClaims } from "../identity/lease_token.ts";
import { verifyForLease } from "../identity/signed_for_lease.ts";
import { sign } from "../identity/signing.ts";
import { hex } from "../platform/bytes.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import type { SavedArtifact } from "../queue/core/leases/attempts.ts";
import { objectKeys } from "./objects.ts";
import { checkArtifactPath } from "./paths.ts";
import { addUploads } from "./store.ts";

/**
 * The way of artifacts into R2: a plan gives each part of each file an object and an address; the parts are put there; the finish
 * names them. Nothing of it can be seen before the finish is taken. The addresses are signed and opaque: they carry all that the
 * coordinator must know of a part.
 */

const partClaims = leaseClaims.extend({
	/** Of the object. */
	key: z.string(),
	number: z.number(),
	size: z.number(),
	/** What this part must hold: nothing else is ever put under this key. */
	sha256: z.string(),
});
type PartClaims = z.infer<typeof partClaims>;
type DiscoveredFile = ArtifactPlan["files"][number];

/** So much of a part is hashed at a time: memory of large buffers is collected late, and a gigabyte goes by. */
const SLICE_BYTES = 16 * 1024;
/** R2 is asked about this many files at once. */
const CHECKED_AT_ONCE = 50;

/** Where each file, and each part of it, is to be put. */
export async function planUploads(
	environment: Environment,
	lease: LeaseTokenClaims,
	files: readonly DiscoveredFile[],
): Promise<ArtifactPlanAnswer> {
	checkPaths(files);
	for (const file of files) checkParts(file);
	const parts = files.reduce((sum, file) => sum + Math.ceil(file.size / PART_BYTES), 0);
	if (parts > MAX_PARTS) throw new ApiError("validation_failed", `These files need ${parts} parts; a plan may have ${MAX_PARTS}.`);
	const planned = await Promise.all(files.map((file) => planFile(environment, lease, file)));
	await addUploads(
		environment.DB,
		{ id: lease.attemptId, team: lease.team },
		files.flatMap((file, index) => {
			const { key } = planned[index] as ArtifactPlanAnswer["files"][number];
			return objectKeys({ key, size: file.size, part_bytes: partBytesOf(file.size) }).map((object) => ({ key: object, artifact_key: key }));
		}),
	);
	return { files: planned };
}

/** A file in parts names the digest of each. @throws ApiError `validation_failed` */
function checkParts({ path, size, parts }: DiscoveredFile): void {
	const wanted = partBytesOf(size) === null ? 0 : Math.ceil(size / PART_BYTES);
	if (parts.length === wanted) return;
	const message =
		wanted === 0
			? `The file ${JSON.stringify(path)} goes in one part: it names no parts.`
			: `The file ${JSON.stringify(path)} has ${wanted} parts of ${PART_BYTES} bytes; name the sha256 of each, in their order.`;
	throw new ApiError("validation_failed", message, { details: { path, parts: wanted }, suggestions: ["Upgrade the agent."] });
}

/** How long the parts of a file of this size are; null if it goes in one. */
function partBytesOf(size: number): number | null {
	return size <= SINGLE_PART_BYTES ? null : PART_BYTES;
}

async function planFile(environment: Environment, lease: LeaseTokenClaims, file: DiscoveredFile) {
	const key = await keyOf(lease, file.path, file.sha256);
	const keys = objectKeys({ key, size: file.size, part_bytes: partBytesOf(file.size) });
	const partBytes = partBytesOf(file.size) ?? file.size;
	const expiresAt = Date.now() + LEASE_TOKEN_MS;
	const parts = keys.map(async (object, index) => {
		const offset = index * partBytes;
		const size = Math.min(partBytes, file.size - offset);
		const digest = file.parts[index] ?? file.sha256;
		const claims: PartClaims = { ...lease, key: object, number: index + 1, size, sha256: digest };
		return { number: index + 1, url: `/api/v1/parts/${await sign(environment.SIGNING_KEY, "part", claims, expiresAt)}`, offset, size };
	});
	return { path: file.path, key, parts: await Promise.all(parts) };
}

/** An attempt writes only under its own keys; the content is part of the key, so that a late write changes nothing. */
async function keyOf(lease: LeaseTokenClaims, path: string, content: string): Promise<string> {
	return `artifacts/${lease.attemptId}/${await sha256(`${lease.leaseId} ${path} ${content}`)}`;
}

/**
 * Takes one part, streaming.
 * @throws ApiError `authentication_required` for a forged address, `attempt_finished` or `attempt_superseded` once the attempt is over, `length_required`,
 * `validation_failed` if size or sha256 do not fit
 */
export async function putPart(environment: Environment, token: string, request: Request): Promise<{ number: number }> {
	const part = await verifyForLease(environment, "part", token, (claims) => partClaims.safeParse(claims).data ?? null);
	if (!part)
		throw new ApiError("authentication_required", "This upload address is not valid (any more).", { suggestions: ["Ask for a new plan."] });
	try {
		return await storePart(environment, part, request);
	} catch (error) {
		await discardBody(request);
		throw error;
	}
}

/** Reads what is not needed: who is answered in the middle of a body may see a broken connection in place of the answer. */
async function discardBody({ body, bodyUsed, headers }: Request): Promise<void> {
	if (bodyUsed || Number(headers.get("Content-Length")) > SINGLE_PART_BYTES) return;
	await body?.pipeTo(new WritableStream()).catch(() => undefined);
}

async function storePart(environment: Environment, part: PartClaims, request: Request): Promise<{ number: number }> {
	unwrap(await dispatcherOf(environment, part.team).checkLease(part));
	const length = request.headers.get("Content-Length");
	if (length === null) throw new ApiError("length_required", "A part needs a Content-Length.");
	if (Number(length) !== part.size) throw mismatch(`This part has ${part.size} bytes, not ${length}.`);
	const declared = request.headers.get("X-Content-SHA256");
	if (declared === null || !/^[0-9a-f]{64}$/.test(declared)) throw mismatch("X-Content-SHA256 must carry the part's sha256 in hex.");
	if (declared !== part.sha256) throw mismatch("The sha256 is not the one that was planned for this part.", "Plan the file anew.");
	try {
		// Create-only, as decided when all bytes are there: what is there already stays, whichever write began first. It is this very part,
		// from a try whose answer was lost, or that of another plan, and then the digest of the whole file tells.
		const onlyIf = { etagDoesNotMatch: "*" };
		await environment.BUCKET.put(part.key, part.size === 0 ? new Uint8Array() : request.body, { sha256: declared, onlyIf });
	} catch (error) {
		// R2 checks the digest itself and refuses a body that does not fit (error 10037).
		if (/10037|sha-?256|checksum/i.test(String(error))) throw mismatch("The bytes do not have the sha256 that was declared.");
		throw clientDisconnected(error) ?? error;
	}
	return { number: part.number };
}

function mismatch(message: string, suggestion = "Send the part again."): ApiError {
	return new ApiError("validation_failed", message, { suggestions: [suggestion] });
}

/**
 * Checks that every file of a finish is there, whole.
 * @returns what the finish makes visible
 * @throws ApiError `validation_failed` naming the first file that is not there
 */
export async function checkUploads(
	environment: Environment,
	lease: LeaseTokenClaims,
	manifest: Finish["artifacts"],
): Promise<SavedArtifact[]> {
	checkPaths(manifest);
	const files: SavedArtifact[] = [];
	for (let at = 0; at < manifest.length; at += CHECKED_AT_ONCE) {
		files.push(...(await Promise.all(manifest.slice(at, at + CHECKED_AT_ONCE).map((file) => checkFile(environment, lease, file)))));
	}
	return files;
}

/** Every path may stand for one file, once. @throws ApiError `validation_failed` */
function checkPaths(files: readonly { path: string }[]): void {
	const seen = new Set<string>();
	for (const { path } of files) {
		checkArtifactPath(path);
		if (seen.has(path))
			throw new ApiError("validation_failed", `The artifact ${JSON.stringify(path)} is named twice.`, { details: { path } });
		seen.add(path);
	}
}

async function checkFile(environment: Environment, lease: LeaseTokenClaims, file: Finish["artifacts"][number]): Promise<SavedArtifact> {
	const { path, size, sha256: digest, key, executable, kind, entry } = file;
	if (key !== (await keyOf(lease, path, digest))) throw missing(path, "its key is not this attempt's");
	const partBytes = partBytesOf(size);
	let left = size;
	for (const object of objectKeys({ key, size, part_bytes: partBytes })) {
		const found = await environment.BUCKET.head(object);
		if (found?.size !== Math.min(left, partBytes ?? size)) throw missing(path, "it was not uploaded whole");
		left -= found.size;
	}
	// One object was checked when it was put; of several only their digests were.
	if (partBytes !== null && (await digestOf(environment, { key, size, part_bytes: partBytes })) !== digest)
		throw missing(path, "its parts together do not have the sha256 that was declared");
	return { path, size, sha256: digest, key, partBytes, executable, kind, entry };
}

/** The sha256 of a file in parts, read as a stream. */
async function digestOf({ BUCKET }: Environment, file: Parameters<typeof objectKeys>[0]): Promise<string> {
	const digest = new crypto.DigestStream("SHA-256");
	const writer = digest.getWriter();
	for (const key of objectKeys(file)) {
		const part = await BUCKET.get(key);
		if (!part) throw new Error(`the object ${key} is gone`);
		const reader = part.body.getReader({ mode: "byob" });
		for (let buffer = new Uint8Array(SLICE_BYTES); ; ) {
			const { done, value } = await reader.read(buffer);
			if (done || !value) break;
			await writer.write(value);
			buffer = new Uint8Array(value.buffer);
		}
	}
	await writer.close();
	return hex(await digest.digest);
}

function missing(path: string, why: string): ApiError {
	return new ApiError("validation_failed", `The artifact ${JSON.stringify(path)} cannot be taken: ${why}.`, { details: { path } });
}
