import type { CheckoutOptions } from "../../schema/wire/checkout.ts";
import type { Assignment, Commit } from "../../schema/wire/protocol.ts";
import { ownCredentials } from "./credentials.ts";
import { GitFailed } from "./errors.ts";
import { fetchCommit, isLocal, objectFormat } from "./fetch_commit.ts";
import { Git, type GitContext } from "./git.ts";
import { readIndexFile } from "./index_files.ts";
import { placeLargeFiles } from "./large_files.ts";
import { findCommit } from "./remote_refs.ts";

/** The checkout of a git repository into a workspace. */
export interface Checkout extends GitContext {
	source: Extract<NonNullable<Assignment["source"]>, { git: string }>;
	workspace: string;
	/** The folder of the agent's mirrors. */
	mirrors: string;
	/**
	 * The project whose credentials are used: projects do not share what they fetched. Empty without
	 * credentials.
	 */
	reader: string;
	/** An empty folder. */
	emptyHome: string;
	/** The path of a folder that the checkout may create. Steps do not see it. */
	scratch: string;
	/**
	 * Sends the commit that was found. The coordinator answers with the commit that the whole run
	 * uses.
	 * @param tagObject the id of the annotated tag by which the commit was asked for; null: none
	 */
	pin(commit: Commit, tagObject: string | null): Promise<string>;
}

/** A commit that was checked out, and the ref by which it was found. */
export interface CheckedOut {
	commit: Commit;
	/** Null for a commit that was asked for by its id. */
	ref: string | null;
}

/** For a discovery job, which only reads the commit. */
const ONE_COMMIT: CheckoutOptions = { depth: 1, filter: "none", tags: false, submodules: "none", lfs: false };

/**
 * Checks the source out into the workspace, with the history, tags, submodules and large files that
 * it asks for. The first job of a run decides which commit its branch means; every other job gets
 * the same commit.
 * @throws CheckoutFailed
 */
export async function checkOut(checkout: Checkout): Promise<CheckedOut> {
	const git = new Git(checkout, checkout.workspace);
	const { source, emptyHome, credentials, scratch } = checkout;
	const { commit, ref } = await fetchPinned(git, checkout, source.checkout);
	if (commit.tag !== null) await setTag(git, commit.tag, commit.sha);
	const isTrusted = source.is_trusted;
	// From here on the commit configures git, so git gets no credentials.
	const present = isTrusted ? git.with(null) : await git.anonymous(emptyHome);
	await present.run("checkout", "--quiet", "--detach", commit.sha);
	// Only the project's members may use its credentials for other repositories of the server.
	if (source.checkout.submodules !== "none") await updateSubmodules(isTrusted ? git : present, source);
	if (source.checkout.lfs) {
		await placeLargeFiles(present, {
			address: source.git,
			sha: commit.sha,
			isTrusted,
			credentials: credentials && ownCredentials(credentials, source.git),
			scratch,
		});
	}
	return { commit, ref };
}

/** Fetches the commit without checking out a file. @throws CheckoutFailed */
export async function fetchOnly(checkout: Checkout): Promise<CheckedOut> {
	return fetchPinned(new Git(checkout, checkout.workspace), checkout, ONE_COMMIT);
}

async function fetchPinned(git: Git, checkout: Checkout, options: CheckoutOptions): Promise<CheckedOut> {
	const found = await findCommit(git, checkout.source);
	await git.run("init", "--quiet", ...objectFormat(found.sha), ".");
	await git.run("remote", "add", "origin", checkout.source.git);
	await fetchCommit(git, checkout, found, options);
	const { sha, ...text } = await describe(git, found.sha);
	const names = { branch: found.branch, tag: found.tag };
	const pinned = await checkout.pin({ ...names, ...text, sha }, sha === found.sha ? null : found.sha);
	if (pinned === sha) return { commit: { ...names, ...text, sha }, ref: found.ref };
	// Another job of this run was first, and the branch moved in between.
	await fetchCommit(git, checkout, { ...found, sha: pinned }, options);
	return { commit: { ...names, ...(await describe(git, pinned)) }, ref: found.ref };
}

/** Points the tag to the commit that is checked out, also if the tag has moved since. */
async function setTag(git: Git, tag: string, sha: string): Promise<void> {
	const present = await git.output("rev-parse", "--quiet", "--verify", `refs/tags/${tag}^{commit}`).catch((error) => {
		if (error instanceof GitFailed) return "";
		throw error;
	});
	if (present !== sha) await git.run("update-ref", `refs/tags/${tag}`, sha);
}

/** @param id the id of a commit or of an annotated tag */
async function describe(git: Git, id: string): Promise<Pick<Commit, "sha" | "message" | "author">> {
	const text = await git.output("log", "-1", "--format=%H%n%an <%ae>%n%B", id);
	const [sha = "", author = "", ...message] = text.split("\n");
	return { sha, author: author.slice(0, 500), message: message.join("\n").trim().slice(0, 10_000) };
}

const MAX_MODULES_BYTES = 1024 * 1024;

async function updateSubmodules(git: Git, source: Checkout["source"]): Promise<void> {
	if ((await readIndexFile(git, ".gitmodules", MAX_MODULES_BYTES)) === null) return;
	const { depth, submodules } = source.checkout;
	const recursive = submodules === "recursive" ? ["--recursive"] : [];
	// Git cannot limit the history when it clones from this machine.
	const history = depth === "full" || isLocal(source) ? [] : [`--depth=${depth}`];
	// A repository on this machine has its relative submodules beside it, which git forbids by default
	// since CVE-2022-39253.
	const beside = isLocal(source) && source.is_trusted ? ["-c", "protocol.file.allow=always"] : [];
	await git.run("submodule", "sync", "--quiet", ...recursive);
	await git.overNetwork(() => git.run(...beside, "submodule", "update", "--quiet", "--init", ...recursive, ...history));
}
