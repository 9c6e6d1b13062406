import { genericPayload } from "../../schema/wire/deliveries.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { isSigned, TOLERANCE_S } from "../notify/standard_webhooks.ts";
import { type Deliverer, pushed } from "./delivery.ts";

/** What any program can deliver: signed with its time, as Standard Webhooks are. A delivery that is older than five minutes is not taken. */
export const generic: Deliverer = {
	forge: "generic",
	isIts: (headers) => headers.has("webhook-id"),
	describe: (headers) => ({ delivery: headers.get("webhook-id") ?? "", event: "push" }),
	async isAuthentic({ headers, bytes }, secret) {
		const timestamp = Number(headers.get("webhook-timestamp") ?? "");
		const message = { id: headers.get("webhook-id") ?? "", timestamp, body: bytes };
		const isRight = await isSigned(message, headers.get("webhook-signature") ?? "", secret);
		return isRight && Math.abs(Date.now() / 1000 - timestamp) <= TOLERANCE_S;
	},
	repositoryOf: () => null,
	read(_, payload) {
		const { data, error } = genericPayload.safeParse(payload);
		if (!data) throw unlike(error.issues.map(({ path, message }) => `${path.join(".") || "payload"}: ${message}`));
		const { ref, after, before = null, message = null, actor = "a program" } = data;
		return pushed({ ref, after, before, message, actor });
	},
};

function unlike(faults: readonly string[]): ApiError {
	return new ApiError("malformed", `The delivery is not as it must be: ${faults.join("; ")}.`, {
		suggestions: ['{"ref": "refs/heads/main", "after": "<commit>"}; also before, message, actor'],
	});
}
