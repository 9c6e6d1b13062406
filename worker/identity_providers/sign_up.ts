import type { SignUpRule } from "../../schema/wire/identity_providers.ts";
import { isAtLeast, type Role } from "../../schema/wire/permissions.ts";
import type { Account } from "./accounts/account.ts";

/** The greatest role that the rules give to an account; null: it does not get in. */
export function roleFor(rules: readonly SignUpRule[], account: Account): Role | null {
	return rules
		.filter((rule) => isMet(rule, account))
		.reduce<Role | null>((greatest, { role }) => (greatest === null || isAtLeast(role, greatest) ? role : greatest), null);
}

/** Forges do not tell `Acme` and `acme` apart; what a claim of groups holds is compared to the byte. */
function isMet({ domain, organization, group }: SignUpRule, { domains, organizations, groups }: Account): boolean {
	if (domain !== undefined) return domains.includes(domain);
	if (organization !== undefined) return organizations.some((name) => name.toLowerCase() === organization.toLowerCase());
	return group !== undefined && groups.includes(group);
}
