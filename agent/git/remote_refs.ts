import type { Assignment, Commit } from "../../schema/wire/protocol.ts";
import { CheckoutFailed } from "./errors.ts";
import type { Git } from "./git.ts";

/** The commit that a source means at its server, and the ref by which it was found. */
export interface Found extends Pick<Commit, "branch" | "tag"> {
	/** The id of a commit or of an annotated tag, which is resolved after the fetch. */
	sha: string;
	/** Null for a commit that was asked for by its id. */
	ref: string | null;
}

type GitSource = Extract<NonNullable<Assignment["source"]>, { git: string }>;

const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;
const MAX_NAMED_BRANCHES = 10;

/**
 * Finds the commit of a source. The agent does not ask for a commit that is known with the full
 * name of its ref.
 * @param git its folder need not be a repository
 * @throws CheckoutFailed
 */
export async function findCommit(git: Git, { git: address, ref, commit }: Pick<GitSource, "git" | "ref" | "commit">): Promise<Found> {
	if (ref !== null && COMMIT.test(ref)) return { sha: commit ?? ref, ref: null, branch: null, tag: null };
	if (commit !== null && ref?.startsWith("refs/")) return { sha: commit, ref, ...kindOf(ref) };
	const refs = await remoteRefs(git, address);
	const target = named(refs, ref);
	if (commit !== null)
		return { sha: commit, ref: target?.sha === commit ? target.name : null, ...kindOf(target?.target ?? target?.name ?? "") };
	if (target && target.sha !== "") return { sha: target.sha, ref: target.name, ...kindOf(target.target ?? target.name) };
	throw new CheckoutFailed(whyNoCommit(refs, ref));
}

function whyNoCommit(refs: ReadonlyMap<string, RemoteRef>, ref: string | null): string {
	const branches = [...refs.keys()].filter((name) => name.startsWith("refs/heads/")).map((name) => name.slice("refs/heads/".length));
	const known = `Branches: ${branches.slice(0, MAX_NAMED_BRANCHES).join(", ") || "none"}.`;
	if (ref !== null) return `The repository has no branch, tag or commit ${ref}. ${known}${hintOfRename(refs, ref)}`;
	if ([...refs.values()].every(({ sha }) => sha === "")) return "The repository is empty. Push a commit first.";
	const { target } = refs.get("HEAD") ?? { target: null };
	return `The HEAD of the repository names ${target === null ? "a branch" : kindOf(target).branch} that does not exist. Set a branch with ref, or the default branch at the server. ${known}`;
}

/** A missing branch may be the default branch under its old name. */
function hintOfRename(refs: ReadonlyMap<string, RemoteRef>, ref: string): string {
	const [, present] = /^refs\/heads\/(.+)$/.exec(refs.get("HEAD")?.target ?? "") ?? [];
	if (present === undefined || !ref.startsWith("refs/heads/")) return "";
	return ` The repository's default branch is ${present}. If it was renamed, change the project's setting default_branch.`;
}

/** A branch, then a tag, then the names of gitrevisions(7); without a ref, HEAD. */
function named(refs: ReadonlyMap<string, RemoteRef>, ref: string | null): RemoteRef | undefined {
	if (ref === null) return refs.get("HEAD");
	const names = [`refs/heads/${ref}`, `refs/tags/${ref}`, ref, `refs/${ref}`];
	return names.map((name) => refs.get(name)).find((found) => found !== undefined);
}

function kindOf(name: string): Pick<Found, "branch" | "tag"> {
	return {
		branch: name.startsWith("refs/heads/") ? name.slice("refs/heads/".length) : null,
		tag: name.startsWith("refs/tags/") ? name.slice("refs/tags/".length) : null,
	};
}

interface RemoteRef {
	name: string;
	/**
	 * The commit; for an annotated tag, the one that it points to. Empty: the ref points to a branch
	 * that does not exist.
	 */
	sha: string;
	/** The target of a symbolic ref. */
	target: string | null;
}

async function remoteRefs(git: Git, address: string): Promise<Map<string, RemoteRef>> {
	const listing = await git.overNetwork(() => git.output("ls-remote", "--symref", "--", address));
	const refs = new Map<string, RemoteRef>();
	// Names of refs have no white space (git-check-ref-format(1)), so git quotes nothing here.
	for (const line of listing.split("\n")) {
		const [value = "", name = ""] = line.split("\t");
		if (!name) continue;
		const isPeeled = name.endsWith("^{}");
		const key = isPeeled ? name.slice(0, -"^{}".length) : name;
		const known = refs.get(key);
		if (value.startsWith("ref: ")) refs.set(key, { name: key, sha: "", target: value.slice("ref: ".length) });
		else refs.set(key, { name: key, sha: value, target: known?.target ?? null });
	}
	return refs;
}
