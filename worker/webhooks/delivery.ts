import type * as z from "zod";
import type { DeliveryRow } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import type { BodyCheck } from "../http/checked_body.ts";
import { bytesOfHex, checkHmac } from "./hmac.ts";

/** What kinds of deliveries there are, and how each is recognized, checked and read. */
export interface Deliverer {
	forge: DeliveryRow["forge"];
	/** Whether a request says that it is of this kind. */
	isIts(headers: Headers): boolean;
	/** What the forge calls the delivery, and what it is about. */
	describe(headers: Headers): { delivery: string; event: string };
	/** Whether the signature covers the body alone: then everybody who has seen the delivery can change its name. */
	signsBodyAlone: boolean;
	/** Whether of a form the JSON in it is signed, rather than the bytes of the body. */
	signsPayloadOfForms: boolean;
	/** Begins to check, before the body is read, whether the sender knows the secret; null if it is clear that it does not. */
	check(headers: Headers, secret: string): Promise<BodyCheck | null>;
	/** What the repository that it is about is called at the forge, as `team/web`; null where it does not say. */
	repositoryOf(payload: unknown): string | null;
	/** What has happened; in words why nothing is to be done. @throws ApiError `malformed` for a payload that is none of its kind */
	read(event: string, payload: unknown): Trigger | string;
}

/** A commit that is none: where a branch comes from, or has gone to. */
function isNoCommit(sha: string): boolean {
	return /^0+$/.test(sha);
}

/** A delivery that does not say what to run, or for whom. */
export function incomplete({ issues }: z.ZodError): ApiError {
	const missing = issues.map(({ path }) => path.join(".") || "payload").join(", ");
	return new ApiError("malformed", `The delivery has no ${missing}.`, { suggestions: ["Deliver what the forge sends, as it is."] });
}

/** Who is named where a forge does not say. */
export const SOMEBODY = "somebody";

const MAX_LABELS = 50;
const MAX_LABEL_CHARACTERS = 200;

/** The names of labels, as many as expressions look at. */
export function labelNames(names: readonly string[]): string[] {
	return names.slice(0, MAX_LABELS).map((name) => name.slice(0, MAX_LABEL_CHARACTERS));
}

export const MAX_MESSAGE = 10_000;

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

/** Checks a signature in hex: the HMAC-SHA-256 of the body. */
export function checkHexSignature(signature: string, secret: string): BodyCheck | null {
	const given = bytesOfHex(signature);
	return given && checkHmac(new TextEncoder().encode(secret), [given]);
}
