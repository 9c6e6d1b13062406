import { notFound } from "../../schema/wire/errors.ts";
import type { Principal } from "./principal.ts";

/**
 * A token may open some projects only: what it does not open does not exist for it.
 * @throws ApiError `not_found` for a project that the token of the caller does not open
 */
export function assertOpensProject(principal: Extract<Principal, { kind: "user" | "host" }>, project: string): void {
	const isOpen = principal.kind === "host" || principal.projects === null || principal.projects.includes(project);
	if (!isOpen) throw notFound("project", project);
}
