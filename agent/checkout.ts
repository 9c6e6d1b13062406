import type { Assignment, Commit } from "../schema/wire/protocol.ts";
import { CheckoutFailed, Git, type GitContext, GitFailed, ownCredentials } from "./git.ts";
import { readIndexFile } from "./index_files.ts";
import { placeLargeFiles } from "./large_files.ts";
import { keepCommit, viaMirror } from "./mirror.ts";

/** A workspace that is to be made of a git repository. */
export interface Checkout extends GitContext {
	source: Extract<NonNullable<Assignment["source"]>, { git: string }>;
	workspace: string;
	/** The folder of the agent's mirrors. */
	mirrors: string;
	/** Who reads the repository: what one has got with its credentials is not another's. Empty without any. */
	reader: string;
	/** An empty folder. */
	emptyHome: string;
	/** Where a folder may be made that steps do not see. */
	scratch: string;
	/** Tells the coordinator which commit was found; it answers with the one that the whole run uses. */
	pin(commit: Commit): Promise<string>;
}

/** A commit that was checked out, and the ref by which it was found. */
export interface CheckedOut {
	commit: Commit;
	/** Null for a commit that was asked for by its id. */
	ref: string | null;
}

const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;
const ALL_HEADS = "+refs/heads/*:refs/remotes/origin/*";

/**
 * Puts the source into the workspace: one commit, shallow, with its submodules and large files. The first job of a run decides
 * which commit its branch means; every other job gets the very same.
 * @throws CheckoutFailed with the sentence for the person
 */
export async function checkOut(checkout: Checkout): Promise<CheckedOut> {
	const git = new Git(checkout, checkout.workspace);
	const { commit, ref } = await fetchPinned(git, checkout);
	const { source, emptyHome, credentials, scratch } = checkout;
	const isTrusted = source.is_trusted;
	// From here on the commit has a say in what is asked, and whom: it is told no credentials.
	const present = isTrusted ? git.with(null) : await git.anonymous(emptyHome);
	await present.run("checkout", "--quiet", "--detach", commit.sha);
	// The project's own people may point to its server's other repositories.
	await updateSubmodules(isTrusted ? git : present);
	await placeLargeFiles(present, {
		address: source.git,
		sha: commit.sha,
		isTrusted,
		credentials: credentials && ownCredentials(credentials, source.git),
		scratch,
	});
	return { commit, ref };
}

/** The same without a single file: only the commit is there, for git to be asked about. @throws CheckoutFailed */
export async function fetchOnly(checkout: Checkout): Promise<CheckedOut> {
	return fetchPinned(new Git(checkout, checkout.workspace), checkout);
}

async function fetchPinned(git: Git, checkout: Checkout): Promise<CheckedOut> {
	await git.run("init", "--quiet", ".");
	await git.run("remote", "add", "origin", checkout.source.git);
	const asked = checkout.source.commit;
	const found = asked === null ? await findRef(git, checkout) : await findPinned(git, checkout, asked);
	await fetchCommit(git, checkout, found);
	const commit = { ...namesOf(found), ...(await describe(git, found.sha)), sha: found.sha };
	const pinned = await checkout.pin(commit);
	if (pinned === found.sha) return { commit, ref: found.ref };
	// Another job of this run was first, and the branch has moved in between.
	await fetchCommit(git, checkout, { ...found, sha: pinned });
	return { commit: { ...namesOf(found), ...(await describe(git, pinned)), sha: pinned }, ref: found.ref };
}

/** A commit, and the ref by which it was found. */
interface Found {
	sha: string;
	/** Null for a commit that was asked for by its id. */
	ref: string | null;
	branch: string | null;
	tag: string | null;
}

function namesOf({ branch, tag }: Found): Pick<Commit, "branch" | "tag"> {
	return { branch, tag };
}

/** What the pipeline names: a branch, a tag, a commit, or where the repository's HEAD is. */
async function findRef(git: Git, { source }: Checkout): Promise<Found> {
	const { ref } = source;
	if (ref !== null && COMMIT.test(ref)) return { sha: ref, ref: null, branch: null, tag: null };
	const refs = await remoteRefs(git);
	const target = named(refs, ref);
	if (target) return { sha: target.sha, ref: target.name, ...kindOf(target.name, refs) };
	const known = [...refs.keys()].filter((name) => name.startsWith("refs/heads/")).map((name) => name.slice("refs/heads/".length));
	throw new CheckoutFailed(
		ref === null
			? "The repository is empty."
			: `There is no branch, tag or commit ${ref}. Branches: ${known.slice(0, 10).join(", ") || "none"}.${hintOfRename(refs, ref)}`,
	);
}

/** That a branch which is not there may be the default branch under its old name. */
function hintOfRename(refs: ReadonlyMap<string, RemoteRef>, ref: string): string {
	const [, present] = /^refs\/heads\/(.+)$/.exec(refs.get("HEAD")?.target ?? "") ?? [];
	if (present === undefined || !ref.startsWith("refs/heads/")) return "";
	return ` The repository's default branch is ${present}: if it was renamed, correct the project's setting default_branch.`;
}

/** The commit that the run was pinned to; its ref is looked up for its name only. */
async function findPinned(git: Git, { source }: Checkout, sha: string): Promise<Found> {
	const { ref } = source;
	const refs = ref === null || !COMMIT.test(ref) ? await remoteRefs(git) : new Map<string, RemoteRef>();
	const target = named(refs, ref);
	return { sha, ref: target?.sha === sha ? target.name : null, ...(target ? kindOf(target.name, refs) : { branch: null, tag: null }) };
}

/** What the pipeline's ref means: a branch before a tag before a full name; without one, where HEAD is. */
function named(refs: ReadonlyMap<string, RemoteRef>, ref: string | null): RemoteRef | undefined {
	if (ref === null) return refs.get("HEAD");
	return refs.get(`refs/heads/${ref}`) ?? refs.get(`refs/tags/${ref}`) ?? refs.get(ref);
}

function kindOf(name: string, refs: ReadonlyMap<string, RemoteRef>): Pick<Found, "branch" | "tag"> {
	const full = name === "HEAD" ? (refs.get("HEAD")?.target ?? "") : name;
	return {
		branch: full.startsWith("refs/heads/") ? full.slice("refs/heads/".length) : null,
		tag: full.startsWith("refs/tags/") ? full.slice("refs/tags/".length) : null,
	};
}

interface RemoteRef {
	name: string;
	/** The commit; that of an annotated tag is the one it points to. */
	sha: string;
	/** What a symbolic ref points to. */
	target: string | null;
}

async function remoteRefs(git: Git): Promise<Map<string, RemoteRef>> {
	const listing = await git.overNetwork(() => git.output("ls-remote", "--symref", "origin"));
	const refs = new Map<string, RemoteRef>();
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

/** Brings one commit into the workspace: straight from a repository on this machine, by way of the mirror from any other. */
async function fetchCommit(git: Git, checkout: Checkout, found: Found): Promise<void> {
	const { source, mirrors } = checkout;
	if (await has(git, found.sha)) return;
	if (source.git.startsWith("/") || source.git.startsWith("file:")) {
		await fetchFromOrigin(git, found);
		return;
	}
	await viaMirror(
		git,
		{ mirrors, address: source.git, reader: checkout.reader },
		async (mirror) => {
			if (!(await has(mirror, found.sha))) await fetchFromOrigin(mirror, found);
			await keepCommit(mirror, found.branch ?? found.tag ?? "", found.sha);
		},
		(mirror) => git.run("fetch", "--quiet", "--depth=1", "--no-tags", mirror.folder, found.sha),
	);
}

async function has(git: Git, sha: string): Promise<boolean> {
	return git.succeeds("cat-file", "-e", `${sha}^{commit}`);
}

/** Not every server gives out any commit by its id; one that does not is asked for the ref, and then for all it has. */
async function fetchFromOrigin(git: Git, { sha, ref }: Found): Promise<void> {
	await git.overNetwork(async () => {
		try {
			await git.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", sha);
			return;
		} catch (error) {
			if (!(error instanceof GitFailed && NOT_BY_ID.test(error.words))) throw error;
		}
		if (ref !== null) await git.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", ref);
		if (!(await has(git, sha))) await git.run("fetch", "--quiet", "--depth=2147483647", "--tags", "origin", ALL_HEADS);
	});
	if (!(await has(git, sha))) throw new CheckoutFailed(`The commit ${sha} is not in the repository (any more).`);
}

/** What servers say who give out refs only, or do not have the commit. */
const NOT_BY_ID = /not our ref|unadvertised object|couldn't find remote ref|does not allow request/i;

async function describe(git: Git, sha: string): Promise<Pick<Commit, "message" | "author">> {
	const text = await git.output("log", "-1", "--format=%an <%ae>%n%B", sha);
	const [author = "", ...message] = text.split("\n");
	return { author: author.slice(0, 500), message: message.join("\n").trim().slice(0, 10_000) };
}

const MAX_MODULES_BYTES = 1024 * 1024;

async function updateSubmodules(git: Git): Promise<void> {
	if ((await readIndexFile(git, ".gitmodules", MAX_MODULES_BYTES)) === null) return;
	await git.run("submodule", "sync", "--quiet", "--recursive");
	await git.overNetwork(() => git.run("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"));
}
