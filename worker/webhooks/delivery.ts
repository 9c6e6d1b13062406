import type * as z from "zod";
import type { DeliveryRow } from "../../schema/database/tables.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import type { BodyCheck } from "../http/checked_body.ts";
import { bytesOfHex, checkHmac } from "./hmac.ts";

/** The kinds of forges that send deliveries: how each is recognized, verified and parsed. */
export interface Provider {
	forge: DeliveryRow["forge"];
	/** Whether the headers of a request are those of this provider. */
	matches(headers: Headers): boolean;
	/** The id and the event of the delivery, as the headers name them. */
	describe(headers: Headers): { delivery: string; event: string };
	/**
	 * Whether the signature covers the body alone, so that a sender can replay it under another id.
	 */
	signsBodyAlone: boolean;
	/** Whether the signature of a form covers its JSON field instead of the bytes of the body. */
	signsPayloadOfForms: boolean;
	/** Starts to verify the signature before the body is read; null if the headers already fail. */
	check(headers: Headers, secret: string): Promise<BodyCheck | null>;
	/** The name of the repository at the forge, as `team/web`; null where the payload has none. */
	repositoryOf(payload: unknown): string | null;
	/**
	 * The trigger; a text with the reason where the delivery needs no run.
	 * @throws ApiError `malformed` for a payload of another kind
	 */
	read(event: string, payload: unknown): Trigger | string;
}

/** All zeros: the `before` of a new branch, or the `after` of a deleted one. */
function isZeroCommit(sha: string): boolean {
	return /^0+$/.test(sha);
}

/** The error for a payload without required fields. */
export function incomplete({ issues }: z.ZodError): ApiError {
	const missing = issues.map(({ path }) => path.join(".") || "payload").join(", ");
	return new ApiError("malformed", `The delivery has no ${missing}.`, {
		suggestions: ["Check the webhook in the forge: it must send its own JSON, and no proxy may change it."],
	});
}

/** The actor where a forge names nobody. */
export const SOMEBODY = "somebody";

const MAX_LABELS = 50;
const MAX_LABEL_CHARACTERS = 200;

/** The names of labels, truncated to the limits of expressions. */
export function labelNames(names: readonly string[]): string[] {
	return names.slice(0, MAX_LABELS).map((name) => name.slice(0, MAX_LABEL_CHARACTERS));
}

export const MAX_MESSAGE = 10_000;

/** The trigger of a push to a branch or a tag; a text with the reason where no run is needed. */
export function pushTrigger(push: {
	ref: string;
	before: string | null;
	/** All zeros for a deleted branch or tag. */
	after: string;
	/** The commit, where `after` is another object: an annotated tag. */
	commit?: string | undefined;
	message: string | null;
	actor: string;
}): Trigger | string {
	const { ref, before, after, commit = after, actor } = push;
	const branch = ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : null;
	const tag = ref.startsWith("refs/tags/") ? ref.slice("refs/tags/".length) : null;
	if (branch === null && tag === null) return `${ref} is neither a branch nor a tag`;
	if (isZeroCommit(after)) return `the ${branch === null ? "tag" : "branch"} ${branch ?? tag} was deleted`;
	return {
		kind: branch === null ? "tag" : "push",
		ref,
		branch,
		tag,
		sha: commit,
		before: before === null || isZeroCommit(before) ? null : before,
		message: push.message?.slice(0, MAX_MESSAGE) ?? null,
		pull_request: null,
		actor,
	};
}

/** Verifies a signature in hex: the HMAC-SHA-256 of the body. */
export function checkHexSignature(signature: string, secret: string): BodyCheck | null {
	const given = bytesOfHex(signature);
	return given && checkHmac(new TextEncoder().encode(secret), [given]);
}
