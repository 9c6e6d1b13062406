import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { LEASE_TOKEN_MS, MAX_PARTS, PART_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import type { ArtifactUploadRequest, ArtifactUploads, Finish } from "../../schema/wire/protocol.ts";
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
import { assertMayStore } from "../quotas/service.ts";
import { objectKeys } from "./objects.ts";
import { checkArtifactPath } from "./paths.ts";
import { addUploads } from "./store.ts";

/**
 * Uploads artifacts into R2. The coordinator gives each part of each file an object and an address;
 * the agent uploads the parts; the result of the attempt names them.
 * Files are invisible until the result is accepted. Addresses are signed and opaque: they carry the
 * claims of a part.
 */

const partClaims = leaseClaims.extend({
	/** The key of the object. */
	key: z.string(),
	number: z.number(),
	size: z.number(),
	/** The hash of this part: other bytes are never stored under this key. */
	sha256: z.string(),
});
type PartClaims = z.infer<typeof partClaims>;
type UploadedFile = ArtifactUploadRequest["files"][number];

/** A part is read in slices of this size, into one buffer: each read costs the same time. */
const SLICE_BYTES = 256 * 1024;
/** How many files are checked in R2 at once. */
const CHECKED_AT_ONCE = 50;

/** Returns an address for each part of each file and records the objects that the agent may write. */
export async function startUploads(
	environment: Environment,
	lease: LeaseTokenClaims,
	files: readonly UploadedFile[],
): Promise<ArtifactUploads> {
	checkPaths(files);
	await assertMayStore(
		environment,
		lease.team,
		files.reduce((sum, { size }) => sum + size, 0),
	);
	for (const file of files) checkParts(file);
	const parts = files.reduce((sum, file) => sum + Math.ceil(file.size / PART_BYTES), 0);
	if (parts > MAX_PARTS)
		throw new ApiError("validation_failed", `These files have ${parts} parts; one request may have ${MAX_PARTS}.`, {
			suggestions: ["Upgrade the agent."],
		});
	const uploads = await Promise.all(files.map((file) => startUpload(environment, lease, file)));
	await addUploads(
		environment.DB,
		{ id: lease.attemptId, team: lease.team },
		files.flatMap((file, index) => {
			const { key } = uploads[index] as ArtifactUploads["files"][number];
			return objectKeys({ key, size: file.size, part_bytes: partBytesOf(file.size) }).map((object) => ({ key: object, artifact_key: key }));
		}),
	);
	return { files: uploads };
}

/** Checks that a file in parts has the digest of each part. @throws ApiError `validation_failed` */
function checkParts({ path, size, parts }: UploadedFile): void {
	const partCount = partBytesOf(size) === null ? 0 : Math.ceil(size / PART_BYTES);
	if (parts.length === partCount) return;
	const message =
		partCount === 0
			? `The file ${JSON.stringify(path)} is uploaded whole, but the request lists parts.`
			: `The file ${JSON.stringify(path)} has ${partCount} parts of ${PART_BYTES} bytes. The request must list the sha256 of each, in order.`;
	throw new ApiError("validation_failed", message, { details: { path, parts: partCount }, suggestions: ["Upgrade the agent."] });
}

/** The size of each part of a file of this size; null for a file in one part. */
function partBytesOf(size: number): number | null {
	return size <= SINGLE_PART_BYTES ? null : PART_BYTES;
}

async function startUpload(environment: Environment, lease: LeaseTokenClaims, file: UploadedFile) {
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

/**
 * An attempt writes only under its own keys. The key includes the content, so a late write changes
 * nothing.
 */
async function keyOf(lease: LeaseTokenClaims, path: string, content: string): Promise<string> {
	return `artifacts/${lease.attemptId}/${await sha256(`${lease.leaseId} ${path} ${content}`)}`;
}

/**
 * Stores one part, as a stream.
 * @throws ApiError `authentication_required` for a forged address, `attempt_finished` or
 * `attempt_superseded` for an ended attempt, `length_required`, `validation_failed` for a wrong
 * size or sha256
 */
export async function putPart(environment: Environment, token: string, request: Request): Promise<{ number: number }> {
	const part = await verifyForLease(environment, "part", token, (claims) => partClaims.safeParse(claims).data ?? null);
	if (!part)
		throw new ApiError("authentication_required", "The upload address is invalid or has expired.", {
			suggestions: ["Request new upload addresses."],
		});
	try {
		unwrap(await dispatcherOf(environment, part.team).checkLease(part));
	} catch (error) {
		await discardBody(request);
		throw error;
	}
	await storePart(environment, part, request);
	return { number: part.number };
}

/**
 * Reads the rest of a body and ignores it: after an answer in the middle of a body, the client may
 * see a broken connection instead.
 */
async function discardBody({ body, bodyUsed, headers }: Request): Promise<void> {
	if (bodyUsed || Number(headers.get("Content-Length")) > SINGLE_PART_BYTES) return;
	await body?.pipeTo(new WritableStream()).catch(() => undefined);
}

/**
 * Stores a body as the object of a part, as a stream.
 * @throws ApiError `length_required`, `validation_failed` for another size or sha256
 */
export async function storePart(
	{ BUCKET }: Environment,
	part: { key: string; size: number; sha256: string },
	request: Request,
): Promise<void> {
	try {
		await storeBody(BUCKET, part, request);
	} catch (error) {
		await discardBody(request);
		throw error;
	}
}

async function storeBody(bucket: R2Bucket, part: { key: string; size: number; sha256: string }, request: Request): Promise<void> {
	const length = request.headers.get("Content-Length");
	if (length === null)
		throw new ApiError("length_required", "The Content-Length header is missing.", {
			suggestions: ["Send the size of the part in Content-Length."],
		});
	if (Number(length) !== part.size) throw mismatch(`The part must have ${part.size} bytes; Content-Length says ${length}.`);
	const declared = request.headers.get("X-Content-SHA256");
	if (declared === null || !/^[0-9a-f]{64}$/.test(declared)) throw mismatch("X-Content-SHA256 must be the sha256 of the part, in hex.");
	if (declared !== part.sha256) throw mismatch("The sha256 differs from the one in the upload request.", "Request new upload addresses.");
	try {
		// Create-only: an existing object stays. It is the same part from a try whose answer was
		// lost, or from another request; then the digest of the whole file shows the difference.
		const onlyIf = { etagDoesNotMatch: "*" };
		await bucket.put(part.key, part.size === 0 ? new Uint8Array() : request.body, { sha256: declared, onlyIf });
	} catch (error) {
		// R2 checks the digest itself and rejects other bytes (error 10037).
		if (/10037|sha-?256|checksum/i.test(String(error))) throw mismatch("The bytes do not match X-Content-SHA256.");
		throw clientDisconnected(error) ?? error;
	}
}

function mismatch(message: string, suggestion = "Send the part again."): ApiError {
	return new ApiError("validation_failed", message, { suggestions: [suggestion] });
}

/**
 * Checks that every file of a result is uploaded completely.
 * @returns the artifacts that the result makes visible
 * @throws ApiError `validation_failed` for the first missing file
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

/** Checks that paths are valid and unique. @throws ApiError `validation_failed` */
function checkPaths(files: readonly { path: string }[]): void {
	const seen = new Set<string>();
	for (const { path } of files) {
		checkArtifactPath(path);
		if (seen.has(path))
			throw new ApiError("validation_failed", `The artifact ${JSON.stringify(path)} is listed twice.`, {
				details: { path },
				suggestions: ["List each path once."],
			});
		seen.add(path);
	}
}

async function checkFile(environment: Environment, lease: LeaseTokenClaims, file: Finish["artifacts"][number]): Promise<SavedArtifact> {
	const { path, size, sha256: digest, key, executable, kind, entry } = file;
	if (key !== (await keyOf(lease, path, digest))) throw missing(path, "its key belongs to another attempt");
	const partBytes = partBytesOf(size);
	let left = size;
	for (const object of objectKeys({ key, size, part_bytes: partBytes })) {
		const found = await environment.BUCKET.head(object);
		if (found?.size !== Math.min(left, partBytes ?? size)) throw missing(path, "its upload is incomplete");
		left -= found.size;
	}
	// One object was checked when it was stored; of several, only each part was.
	if (partBytes !== null && (await digestOf(environment, { key, size, part_bytes: partBytes })) !== digest)
		throw missing(path, "its parts do not match the declared sha256");
	return { path, size, sha256: digest, key, partBytes, executable, kind, entry };
}

/** The sha256 of a file in parts, read as a stream. */
async function digestOf({ BUCKET }: Environment, file: Parameters<typeof objectKeys>[0]): Promise<string> {
	const digest = new crypto.DigestStream("SHA-256");
	const writer = digest.getWriter();
	for (const key of objectKeys(file)) {
		const part = await BUCKET.get(key);
		if (!part) throw new Error(`the object ${key} is missing`);
		const reader = part.body.getReader({ mode: "byob" });
		for (let buffer = new Uint8Array(SLICE_BYTES); ; ) {
			const { done, value } = await reader.read(buffer, { min: SLICE_BYTES });
			if (done || !value) break;
			await writer.write(value);
			buffer = new Uint8Array(value.buffer);
		}
	}
	await writer.close();
	return hex(await digest.digest);
}

function missing(path: string, why: string): ApiError {
	return new ApiError("validation_failed", `The artifact ${JSON.stringify(path)} is rejected: ${why}.`, {
		details: { path },
		suggestions: ["Upload the file again, then send the result."],
	});
}
