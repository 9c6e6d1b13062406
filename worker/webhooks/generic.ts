import { genericPayload } from "../../schema/wire/deliveries.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { keyBytes, signaturesIn, TOLERANCE_S } from "../notifications/service.ts";
import { type Provider, pushTrigger } from "./delivery.ts";
import { checkHmac } from "./hmac.ts";

/**
 * Deliveries of any program, signed with a timestamp as in Standard Webhooks. Deliveries older
 * than five minutes are rejected.
 */
export const generic: Provider = {
	forge: "generic",
	matches: (headers) => headers.has("webhook-id"),
	describe: (headers) => ({ delivery: headers.get("webhook-id") ?? "", event: "push" }),
	signsBodyAlone: false,
	signsPayloadOfForms: false,
	async check(headers, secret) {
		const timestamp = headers.get("webhook-timestamp") ?? "";
		if (!/^\d{1,15}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return null;
		const signatures = signaturesIn(headers.get("webhook-signature") ?? "");
		const prefix = new TextEncoder().encode(`${headers.get("webhook-id")}.${timestamp}.`);
		return signatures.length === 0 ? null : checkHmac(keyBytes(secret), signatures, prefix);
	},
	repositoryOf: () => null,
	read(_, payload) {
		const { data, error } = genericPayload.safeParse(payload);
		if (!data) throw malformedPayload(error.issues.map(({ path, message }) => `${path.join(".") || "payload"}: ${message}`));
		const { ref, after, before = null, message = null, actor } = data;
		return pushTrigger({ ref, after, before, message, actor: actor ?? "a program" });
	},
};

function malformedPayload(problems: readonly string[]): ApiError {
	return new ApiError("malformed", `The fields of the delivery are not valid: ${problems.join("; ")}.`, {
		suggestions: ['Send {"ref": "refs/heads/main", "after": "<commit>"}. The fields before, message and actor are optional.'],
	});
}
