import * as z from "zod";
import { labels } from "./labels.ts";
import { projectName } from "./projects.ts";

/** The properties of agents and registration tokens, and the requests about them. */

const time = z.string();
const MAX_PROJECTS = 100;

/** `trusted`: no run of a fork. `untrusted`: only runs of forks. */
export const RUN_TRUST = ["any", "trusted", "untrusted"] as const;
export type RunTrust = (typeof RUN_TRUST)[number];

/** Which jobs an agent may take. No project means every project. */
const restriction = { projects: z.array(projectName).max(MAX_PROJECTS), runs: z.enum(RUN_TRUST) };

export interface Restriction {
	projects: string[];
	runs: RunTrust;
}

/** A restriction in words, as the end of a sentence; null without one. */
export function describeRestriction({ projects, runs }: Restriction): string | null {
	const parts = [
		...(projects.length > 0 ? [`only jobs of ${projects.join(", ")}`] : []),
		...(runs === "trusted" ? ["only trusted runs"] : []),
		...(runs === "untrusted" ? ["only runs from forks"] : []),
	];
	return parts.length > 0 ? parts.join("; ") : null;
}

/** A change of an agent's restriction. A missing field keeps its value. */
export const agentChange = z.strictObject({ projects: restriction.projects.optional(), runs: restriction.runs.optional() });

/** What happens to the jobs of a disabled agent. */
const WHAT_RUNS = ["finish", "cancel"] as const;
export const disableRequest = z.strictObject({ running: z.enum(WHAT_RUNS).default("finish") });
export type DisableRequest = z.input<typeof disableRequest>;

/** The empty body of enabling, draining and rotating. */
export const noFields = z.strictObject({});

/** A registration token is valid for at most this long. */
export const MAX_REGISTRATION_MS = 90 * 24 * 60 * 60_000;
const MAX_USES = 10_000;

export const createRegistrationToken = z.strictObject({
	uses: z.number().int().min(1).max(MAX_USES).default(1),
	expires_in: z.string().default("1h"),
	labels: labels.default([]),
	projects: restriction.projects.default([]),
	runs: restriction.runs.default("any"),
});

const granted = { uses: z.number().int().nonnegative(), expires_at: time, labels: z.array(z.string()) };

/** The only answer with the token itself. */
export const registrationToken = z.object({ id: z.string(), token: z.string(), ...granted, ...restriction });
export type RegistrationToken = z.infer<typeof registrationToken>;

/** A registration token as lists show it. */
export const registrationTokenSummary = z.object({
	id: z.string(),
	...granted,
	uses_left: z.number().int().nonnegative(),
	...restriction,
	created_by: z.string(),
	created_at: time,
});
export type RegistrationTokenSummary = z.infer<typeof registrationTokenSummary>;
