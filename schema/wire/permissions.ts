/**
 * Who may do what: the one table of actions. Routes name their action; the reference and the tests
 * of permissions are made from this table.
 */

/** From the least to the greatest: each may do what those before it may. */
export const ROLES = ["viewer", "developer", "maintainer", "admin", "operator"] as const;
export type Role = (typeof ROLES)[number];

interface Permission {
	/** The least role. */
	role: Role;
	/** What it allows, after "may". */
	about: string;
	/** Whether requests that change something go into the audit log. Runs have a history of their own. */
	isAudited?: true;
}

export const ACTIONS = {
	read: { role: "viewer", about: "see runs, jobs, logs, artifacts, tests, projects, pipelines, agents and the queue" },
	"own.sessions": { role: "viewer", about: "see and end their own sessions", isAudited: true },
	"own.tokens": {
		role: "viewer",
		about: "make tokens that act as themself, and see, rotate and revoke those that they made",
		isAudited: true,
	},
	"own.password": { role: "viewer", about: "change their own password", isAudited: true },
	"runs.submit": { role: "developer", about: "submit runs, trigger pipelines and upload sources" },
	"runs.rerun": { role: "developer", about: "run jobs and runs again" },
	"runs.cancel": { role: "developer", about: "cancel the runs that they submitted" },
	"projects.compare": { role: "developer", about: "look for new commits of a project" },
	"runs.cancel_any": { role: "maintainer", about: "cancel every run and job" },
	"runs.delete": { role: "maintainer", about: "delete finished runs", isAudited: true },
	"runs.approve": { role: "maintainer", about: "approve and decline jobs, and runs of forks", isAudited: true },
	"projects.change": { role: "maintainer", about: "change the settings of projects", isAudited: true },
	"pipelines.change": { role: "maintainer", about: "create, change and delete stored pipelines", isAudited: true },
	"schedules.change": { role: "maintainer", about: "create, pause and delete schedules", isAudited: true },
	"secrets.manage": { role: "maintainer", about: "list, set and delete secrets; nobody reads their values", isAudited: true },
	"deliveries.replay": { role: "maintainer", about: "replay webhook deliveries", isAudited: true },
	"notifications.test": { role: "maintainer", about: "send test notifications" },
	"caches.delete": { role: "maintainer", about: "delete caches", isAudited: true },
	"queue.reorder": { role: "maintainer", about: "move a job to the front of the queue", isAudited: true },
	"tokens.create": { role: "maintainer", about: "make tokens for projects, with at most their own role", isAudited: true },
	"tokens.manage": { role: "admin", about: "make tokens for all projects, and see and revoke those of others", isAudited: true },
	"projects.grant": { role: "admin", about: "give people a greater role in a project", isAudited: true },
	"projects.create": { role: "admin", about: "create and delete projects", isAudited: true },
	"agents.manage": { role: "admin", about: "register, restrict, drain, disable and remove agents", isAudited: true },
	"people.manage": { role: "admin", about: "invite and remove people, and change their roles", isAudited: true },
	"sessions.end_all": { role: "admin", about: "see and end the sessions of others", isAudited: true },
	"queue.pause": { role: "admin", about: "pause and resume the queue", isAudited: true },
	"audit.read": { role: "admin", about: "read the audit log" },
	"teams.manage": { role: "operator", about: "make and rename teams, and act in all of them", isAudited: true },
	"metrics.read": { role: "operator", about: "read the metrics of all teams" },
	"retention.sweep": { role: "operator", about: "delete what is older than the retention of all teams allows, now", isAudited: true },
	"quotas.change": { role: "operator", about: "change the quotas of a team", isAudited: true },
	"identity_providers.manage": { role: "operator", about: "name the identity providers with which people sign in", isAudited: true },
	"secrets.rotate": { role: "operator", about: "encrypt the secrets of all teams with the newest master key", isAudited: true },
} as const satisfies Record<string, Permission>;
export type Action = keyof typeof ACTIONS;

/** Whether a role is at least another. */
export function isAtLeast(role: Role, least: Role): boolean {
	return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

/** Whether a role may do something. */
export function may(role: Role, action: Action): boolean {
	return isAtLeast(role, ACTIONS[action].role);
}

/** The roles up to one. */
export function rolesUpTo(role: Role): readonly Role[] {
	return ROLES.slice(0, ROLES.indexOf(role) + 1);
}

/** The greater of two roles. */
export function greaterOf(one: Role, other: Role): Role {
	return isAtLeast(one, other) ? one : other;
}

/** The lesser of two roles. */
export function lesserOf(one: Role, other: Role): Role {
	return isAtLeast(one, other) ? other : one;
}
