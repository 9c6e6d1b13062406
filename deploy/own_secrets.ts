import { randomBytes } from "node:crypto";

/** The secrets that a Worker needs, each with how a new one is made. */
export const OWN_SECRETS = {
	SIGNING_KEY: () => randomBytes(32).toString("hex"),
	MASTER_KEY: () => randomBytes(32).toString("base64"),
	ADMIN_TOKEN: () => `wlu_${randomBytes(24).toString("hex")}`,
} as const;
export type SecretName = keyof typeof OWN_SECRETS;
export const SECRET_NAMES = Object.keys(OWN_SECRETS) as SecretName[];
