import { ACTIONS, type Action, ROLES, type Role } from "../../schema/wire/permissions.ts";
import { paragraph } from "./markdown.ts";

/** What each role may do, from the table of permissions. */
export function actionLists(): string {
	const actions = Object.entries(ACTIONS) as [Action, { role: Role; about: string }][];
	return ROLES.map((role, index) => {
		const own = actions.filter(([, { role: least }]) => least === role);
		const head = index === 0 ? `A person with the role **${role}** may:` : `With **${role}** also:`;
		return [head, "", ...own.map(([action, { about }]) => paragraph(`${about} (\`${action}\`)`, "- "))].join("\n");
	}).join("\n\n");
}
