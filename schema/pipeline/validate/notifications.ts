import * as z from "zod";
import { SECRET_NAME, SECRET_NAME_FAULT } from "../../wire/secret_names.ts";
import { isScalar, nonEmpty, oneOrMore, strict, withShorthand } from "./values.ts";

/** `notify`: who is told of a run, and when. */

/** `fixed`: it has succeeded, and the run of this pipeline on this branch before it had not. */
export const NOTIFY_EVENTS = ["start", "success", "failure", "fixed"] as const;
export type NotifyEvent = (typeof NOTIFY_EVENTS)[number];

const MAX_NOTIFICATIONS = 10;

const secretName = nonEmpty.pipe(z.string().regex(SECRET_NAME, SECRET_NAME_FAULT));
const webAddress = nonEmpty.refine(
	(text) => /^https?:\/\//.test(text) && URL.canParse(text) && !new URL(text).password,
	"is not an address such as https://chat.lan/hooks/ci; a password in it belongs into a secret",
);

const notification = strict({
	on: oneOrMore(z.enum(NOTIFY_EVENTS), NOTIFY_EVENTS.length)
		.optional()
		.describe(
			"When: `start`, `success`, `failure`, `fixed` (a success after a failure on the same branch). Default: `failure` and `fixed`.",
		),
	webhook: webAddress.optional().describe("The address that is told, signed as Standard Webhooks are."),
	secret: secretName.optional().describe("The name of the secret that the webhook is signed with."),
	slack: secretName.optional().describe("Instead of `webhook`: the name of the secret that holds the address of a Slack incoming webhook."),
}).superRefine(({ webhook, secret, slack }, context) => {
	const fault = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	if ((webhook === undefined) === (slack === undefined)) fault("webhook", "a notification has either webhook or slack");
	if (webhook !== undefined && secret === undefined) fault("secret", "is required: a webhook is signed");
	if (slack !== undefined && secret !== undefined) fault("secret", "means nothing for slack");
});

/** One or several. */
export const notifications = withShorthand(z.array(notification).max(MAX_NOTIFICATIONS), [notification], (value) =>
	value === undefined || value === null || Array.isArray(value) || isScalar(value) ? value : [value],
);
