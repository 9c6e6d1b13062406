import { genericPayload } from "../../schema/wire/deliveries.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { keyBytes, signaturesIn, TOLERANCE_S } from "../notifications/service.ts";
import { type Deliverer, pushed } from "./delivery.ts";
import { checkHmac } from "./hmac.ts";

/** What any program can deliver: signed with its time, as Standard Webhooks are. A delivery that is older than five minutes is not taken. */
export const generic: Deliverer = {
	forge: "generic",
	isIts: (headers) => headers.has("webhook-id"),
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
		if (!data) throw unlike(error.issues.map(({ path, message }) => `${path.join(".") || "payload"}: ${message}`));
		const { ref, after, before = null, message = null, actor } = data;
		return pushed({ ref, after, before, message, actor: actor ?? "a program" });
	},
};

function unlike(faults: readonly string[]): ApiError {
	return new ApiError("malformed", `The delivery is not as it must be: ${faults.join("; ")}.`, {
		suggestions: ['{"ref": "refs/heads/main", "after": "<commit>"}; also before, message, actor'],
	});
}
