import * as z from "zod";
import { SECRET_NAME, SECRET_NAME_ERROR } from "../../wire/secret_names.ts";
import { isScalar, nonEmpty, oneOrMore, strict, withShorthand } from "./values.ts";

/** `notify`: who is notified of a run, and when. */

/** `fixed`: the run succeeded, and the previous run of this pipeline on this branch did not. */
export const NOTIFY_EVENTS = ["start", "success", "failure", "fixed", "approval"] as const;
export type NotifyEvent = (typeof NOTIFY_EVENTS)[number];

const MAX_NOTIFICATIONS = 10;

const secretName = nonEmpty.pipe(z.string().regex(SECRET_NAME, SECRET_NAME_ERROR));
const webAddress = nonEmpty.refine(
	(text) => /^https?:\/\//.test(text) && URL.canParse(text) && !new URL(text).password,
	"The address must be like https://chat.lan/hooks/ci. Put a password into a secret.",
);

const notification = strict({
	on: oneOrMore(z.enum(NOTIFY_EVENTS), NOTIFY_EVENTS.length)
		.optional()
		.describe(
			"When: `start`, `success`, `failure`, `fixed` (a success after a failure on the same branch), `approval` (a job waits for one). Default: `failure` and `fixed`.",
		),
	webhook: webAddress.optional().describe("The address that gets the notification, signed as Standard Webhooks are."),
	secret: secretName.optional().describe("The name of the secret that signs the webhook."),
	slack: secretName.optional().describe("Instead of `webhook`: the name of the secret with the address of a Slack incoming webhook."),
}).superRefine(({ webhook, secret, slack }, context) => {
	const add = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	if ((webhook === undefined) === (slack === undefined)) add("webhook", "A notification has either `webhook` or `slack`.");
	if (webhook !== undefined && secret === undefined) add("secret", "A webhook needs `secret`, which signs it.");
	if (slack !== undefined && secret !== undefined) add("secret", "A Slack notification takes no `secret`. Remove it.");
});

/** One or several. */
export const notifications = withShorthand(z.array(notification).max(MAX_NOTIFICATIONS), [notification], (value) =>
	value === undefined || value === null || Array.isArray(value) || isScalar(value) ? value : [value],
);
