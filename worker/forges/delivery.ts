import type { DeliveryRow } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";

/** What the hook of a project was sent, before anybody has looked into it. */
export interface Parcel {
	headers: Headers;
	/** The body as it came: what its signature is about. */
	bytes: Uint8Array<ArrayBuffer>;
}

/** What kinds of deliveries there are, and how each is told, checked and read. */
export interface Deliverer {
	forge: DeliveryRow["forge"];
	/** Whether a parcel says that it is of this kind. */
	isIts(headers: Headers): boolean;
	/** What the forge calls the delivery, and what it is about. */
	describe(headers: Headers): { delivery: string; event: string };
	/** Whether whoever has sent it knows the secret. Takes as long whether or not. @throws ApiError `authentication_required` saying what is missing */
	isAuthentic(parcel: Parcel, secret: string): Promise<boolean>;
	/** What the repository that it is about is called at the forge, as `team/web`; null where it does not say. */
	repositoryOf(payload: unknown): string | null;
	/** What has happened; in words why nothing is to be done. @throws ApiError `malformed` for a payload that is none of its kind */
	read(event: string, payload: unknown): Trigger | string;
}

/** A commit that is none: where a branch comes from, or has gone to. */
function isNoCommit(sha: string): boolean {
	return /^0+$/.test(sha);
}

export function incomplete(what: string): ApiError {
	return new ApiError("malformed", `The delivery has no ${what}.`, { suggestions: ["Deliver what the forge sends, as it is."] });
}

const MAX_MESSAGE = 10_000;

/** What a push says: of a branch or of a tag; a string for one that takes it away. */
export function pushed(push: {
	ref: string;
	before: string | null;
	/** All zeros for one that is gone. */
	after: string;
	/** Where that is not what the ref is at: an annotated tag is an object of its own. */
	commit?: string | undefined;
	message: string | null;
	actor: string;
}): Trigger | string {
	const { ref, before, after, commit = after, actor } = push;
	const branch = ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : null;
	const tag = ref.startsWith("refs/tags/") ? ref.slice("refs/tags/".length) : null;
	if (branch === null && tag === null) return `${ref} is neither a branch nor a tag`;
	if (isNoCommit(after)) return `the ${branch === null ? "tag" : "branch"} ${branch ?? tag} was deleted`;
	return {
		kind: branch === null ? "tag" : "push",
		ref,
		branch,
		tag,
		sha: commit,
		before: before === null || isNoCommit(before) ? null : before,
		message: push.message?.slice(0, MAX_MESSAGE) ?? null,
		pull_request: null,
		actor,
	};
}

/** `sha256=…` or the hex alone; null for anything else. */
function hexBytes(text: string): Uint8Array<ArrayBuffer> | null {
	if (!/^[0-9a-f]{64}$/i.test(text)) return null;
	return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Whether a signature in hex is the HMAC-SHA256 of the body. In constant time. */
export async function isHmac({ bytes }: Parcel, signature: string, secret: string): Promise<boolean> {
	const given = hexBytes(signature);
	if (given === null) return false;
	const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
	return crypto.subtle.verify("HMAC", key, given, bytes);
}
