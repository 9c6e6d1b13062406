import * as z from "zod";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_PARTS, PART_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import type { ArtifactPlanAnswer, Finish } from "../../schema/wire/protocol.ts";
import { sha256 } from "../auth/digest.ts";
import type { LeaseTokenClaims } from "../auth/lease_token.ts";
import { sign, verify } from "../auth/signing.ts";
import { hex } from "../bytes.ts";
import { addUploads } from "../catalog/uploads.ts";
import type { SavedArtifact } from "../dispatch/core/attempts.ts";
import type { Environment } from "../environment.ts";
import { checkArtifactPath } from "./paths.ts";

/**
 * The way of artifacts into R2: a plan gives each file its object and each of its parts an address; the parts are put
 * there; the finish completes what was put in parts. Nothing of it can be seen before the finish is taken.
 * The addresses are signed and opaque: they carry all that the coordinator must know of a part.
 */

const partClaims = z.object({
	key: z.string(),
	uploadId: z.string().nullable(),
	number: z.number(),
	size: z.number(),
	/** The whole file's sha256, for a file of one part. */
	sha256: z.string().nullable(),
});
type PartClaims = z.infer<typeof partClaims>;

/** R2 is asked about this many files at once. */
const COMPLETED_AT_ONCE = 50;
export const PART_TOKEN_MS = 26 * 60 * 60_000;

/** Where each file, and each part of it, is to be put. */
export async function planUploads(
	environment: Environment,
	lease: LeaseTokenClaims,
	files: readonly { path: string; size: number; sha256: string }[],
): Promise<ArtifactPlanAnswer> {
	checkPaths(files);
	const parts = files.reduce((sum, file) => sum + Math.ceil(file.size / PART_BYTES), 0);
	if (parts > MAX_PARTS) throw new ApiError("validation_failed", `These files need ${parts} parts; a plan may have ${MAX_PARTS}.`);
	const planned = await Promise.all(files.map((file) => planFile(environment, lease, file)));
	await addUploads(
		environment.DB,
		{ id: lease.attemptId, team: lease.team },
		planned.map(({ key, upload_id }) => ({ key, upload_id })),
	);
	return { files: planned };
}

async function planFile(environment: Environment, lease: LeaseTokenClaims, file: { path: string; size: number; sha256: string }) {
	const key = await keyOf(lease, file.path, file.sha256);
	const isSingle = file.size <= SINGLE_PART_BYTES;
	const uploadId = isSingle ? null : (await environment.BUCKET.createMultipartUpload(key)).uploadId;
	const partBytes = isSingle ? Math.max(1, file.size) : PART_BYTES;
	const count = Math.max(1, Math.ceil(file.size / partBytes));
	const expiresAt = Date.now() + PART_TOKEN_MS;
	const parts = Array.from({ length: count }, async (_, index) => {
		const offset = index * partBytes;
		const size = Math.min(partBytes, file.size - offset);
		const claims: PartClaims = { key, uploadId, number: index + 1, size, sha256: isSingle ? file.sha256 : null };
		return { number: index + 1, url: `/api/v1/parts/${await sign(environment.SIGNING_KEY, "part", claims, expiresAt)}`, offset, size };
	});
	return { path: file.path, key, upload_id: uploadId, parts: await Promise.all(parts) };
}

/** An attempt writes only under its own keys; the content is part of the key, so that a late write changes nothing. */
async function keyOf(lease: LeaseTokenClaims, path: string, content: string): Promise<string> {
	return `artifacts/${lease.attemptId}/${await sha256(`${lease.leaseId} ${path} ${content}`)}`;
}

/**
 * Takes one part, streaming.
 * @throws ApiError `forbidden` for a forged address, `length_required`, `validation_failed` if size or sha256 do not fit
 */
export async function putPart(environment: Environment, token: string, request: Request): Promise<{ number: number; etag: string }> {
	const parsed = partClaims.safeParse(await verify(environment.SIGNING_KEY, "part", token));
	if (!parsed.success)
		throw new ApiError("forbidden", "This upload address is not valid (any more).", { suggestions: ["Ask for a new plan."] });
	const part = parsed.data;
	const length = request.headers.get("Content-Length");
	if (length === null) throw new ApiError("length_required", "A part needs a Content-Length.");
	if (Number(length) !== part.size) throw mismatch(`This part has ${part.size} bytes, not ${length}.`);
	const declared = request.headers.get("X-Content-SHA256");
	if (declared === null || !/^[0-9a-f]{64}$/.test(declared)) throw mismatch("X-Content-SHA256 must carry the part's sha256 in hex.");
	const body = request.body ?? new Uint8Array();
	return part.uploadId === null
		? putWhole(environment, part, declared, body)
		: putMultipart(environment, part, part.uploadId, declared, body);
}

async function putWhole(environment: Environment, part: PartClaims, declared: string, body: ReadableStream | Uint8Array) {
	if (declared !== part.sha256) throw mismatch("The sha256 is not the one that was planned.");
	try {
		const object = await environment.BUCKET.put(part.key, part.size === 0 ? new Uint8Array() : body, { sha256: declared });
		return { number: part.number, etag: object.etag };
	} catch (error) {
		// R2 checks the digest itself and refuses a body that does not fit (error 10037).
		if (/10037|sha-?256|checksum/i.test(String(error))) throw mismatch("The bytes do not have the sha256 that was declared.");
		throw error;
	}
}

async function putMultipart(
	environment: Environment,
	part: PartClaims,
	uploadId: string,
	declared: string,
	body: ReadableStream | Uint8Array,
) {
	const upload = environment.BUCKET.resumeMultipartUpload(part.key, uploadId);
	const digest = new crypto.DigestStream("SHA-256");
	const hash = digest.getWriter();
	const { readable, writable } = new FixedLengthStream(part.size);
	const copy = async () => {
		const writer = writable.getWriter();
		for await (const chunk of body as ReadableStream<Uint8Array>) {
			await hash.write(chunk);
			await writer.write(chunk);
		}
		await hash.close();
		await writer.close();
	};
	const [stored] = await Promise.all([upload.uploadPart(part.number, readable), copy()]);
	if (hex(await digest.digest) !== declared) throw mismatch("The bytes do not have the sha256 that was declared.");
	return { number: part.number, etag: stored.etag };
}

function mismatch(message: string): ApiError {
	return new ApiError("validation_failed", message, { suggestions: ["Send the part again."] });
}

/**
 * Completes what was uploaded for a finish and checks that every file is there, whole.
 * @returns what the finish makes visible
 * @throws ApiError `validation_failed` naming the first file that is not there
 */
export async function completeUploads(
	environment: Environment,
	lease: LeaseTokenClaims,
	manifest: Finish["artifacts"],
): Promise<SavedArtifact[]> {
	checkPaths(manifest);
	const files: SavedArtifact[] = [];
	for (let at = 0; at < manifest.length; at += COMPLETED_AT_ONCE) {
		files.push(...(await Promise.all(manifest.slice(at, at + COMPLETED_AT_ONCE).map((file) => completeFile(environment, lease, file)))));
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

async function completeFile(environment: Environment, lease: LeaseTokenClaims, file: Finish["artifacts"][number]) {
	if (file.key !== (await keyOf(lease, file.path, file.sha256))) throw missing(file.path, "its key is not this attempt's");
	if (file.upload_id !== null) await complete(environment, file.key, file.upload_id, file.parts);
	const object = await environment.BUCKET.head(file.key);
	if (object?.size !== file.size) throw missing(file.path, "it was not uploaded whole");
	return { path: file.path, size: file.size, sha256: file.sha256, key: file.key, executable: file.executable };
}

async function complete(
	environment: Environment,
	key: string,
	uploadId: string,
	parts: Finish["artifacts"][number]["parts"],
): Promise<void> {
	try {
		await environment.BUCKET.resumeMultipartUpload(key, uploadId).complete(parts.map(({ number, etag }) => ({ partNumber: number, etag })));
	} catch (error) {
		// A repeated finish finds the upload gone (10024); the size of the object tells whether it is whole.
		if (!/10024|does not exist/i.test(String(error))) throw error;
	}
}

function missing(path: string, why: string): ApiError {
	return new ApiError("validation_failed", `The artifact ${JSON.stringify(path)} cannot be taken: ${why}.`, { details: { path } });
}
