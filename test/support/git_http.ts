import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { json } from "node:stream/consumers";
import { answerGit } from "../../cli/demo/git_backend.ts";
import type { AtEnd } from "./processes.ts";

const IDENTITY = { GIT_AUTHOR_NAME: "Ada", GIT_AUTHOR_EMAIL: "a@x.test", GIT_COMMITTER_NAME: "Ada", GIT_COMMITTER_EMAIL: "a@x.test" };

function git(cwd: string, ...args: string[]): string {
	return gitWith(cwd, "", ...args);
}

/** git that reads this. */
function gitWith(cwd: string, input: string, ...args: string[]): string {
	// What is committed is what is written: no filter of this machine makes a pointer of it, or takes one for broken.
	const filters = ["process", "clean", "smudge"].flatMap((name) => ["-c", `filter.lfs.${name}=`]);
	return execFileSync("git", ["-c", "init.defaultBranch=main", ...filters, "-c", "filter.lfs.required=false", ...args], {
		cwd,
		input,
		encoding: "utf8",
		env: { ...process.env, ...IDENTITY },
	}).trim();
}

/** Repositories over HTTP, by git's own backend, as a forge on a LAN has them. */
export class GitHttp {
	readonly url: string;
	readonly #folder: string;
	/** Every `Authorization` that was sent, decoded. */
	readonly asked: string[];
	/** Every question for large files: of which repository, and with what. */
	readonly batches: { repository: string; authorization: string | null }[] = [];
	readonly #largeFiles = new Map<string, string>();
	/** How long each request is left waiting before it is answered. */
	delayMs = 0;
	/** How many were left waiting. */
	delayed = 0;

	private constructor(url: string, folder: string, asked: string[]) {
		this.url = url;
		this.#folder = folder;
		this.asked = asked;
	}

	/** @param credentials `user:password`; whoever does not send them is asked to. Null: everybody may read. */
	static async start(folder: string, credentials: string | null, atEnd: AtEnd): Promise<GitHttp> {
		mkdirSync(folder, { recursive: true });
		const asked: string[] = [];
		let made: GitHttp | null = null;
		const server = createServer(async (request, response) => {
			if (made && made.delayMs > 0) {
				made.delayed += 1;
				await new Promise((resolve) => setTimeout(resolve, made?.delayMs));
			}
			const given = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
			if (given !== "") asked.push(given);
			if (credentials !== null && given !== credentials) {
				response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end();
				return;
			}
			const url = new URL(request.url ?? "/", "http://git");
			if (made && (await made.#answerLargeFiles(request, response, url.pathname))) return;
			answerGit(folder, url, request, response);
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		atEnd(() => {
			server.closeAllConnections();
			server.close();
		});
		made = new GitHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, folder, asked);
		return made;
	}

	/** Gives out large files as Git LFS asks for them. */
	async #answerLargeFiles(request: IncomingMessage, response: ServerResponse, pathname: string): Promise<boolean> {
		const [, batch] = /^(.*)\/info\/lfs\/objects\/batch$/.exec(pathname) ?? [];
		const [, oid] = /\/large-files\/([0-9a-f]{64})$/.exec(pathname) ?? [];
		if (batch !== undefined) {
			this.batches.push({ repository: batch, authorization: request.headers.authorization ?? null });
			const { objects } = (await json(request)) as { objects: { oid: string; size: number }[] };
			const found = objects.map((object) =>
				this.#largeFiles.has(object.oid)
					? { ...object, actions: { download: { href: `${this.url}${batch}/large-files/${object.oid}` } } }
					: { ...object, error: { code: 404, message: "not there" } },
			);
			response
				.writeHead(200, { "Content-Type": "application/vnd.git-lfs+json" })
				.end(JSON.stringify({ transfer: "basic", objects: found }));
		} else if (oid !== undefined) response.end(this.#largeFiles.get(oid));
		else return false;
		return true;
	}

	/** Keeps a large file. @returns what stands for it in a repository */
	addLargeFile(text: string): string {
		const oid = createHash("sha256").update(text).digest("hex");
		this.#largeFiles.set(oid, text);
		return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${Buffer.byteLength(text)}\n`;
	}

	/** A further commit with a link in it. @returns its id */
	link(name: string, at: string, target: string): string {
		symlinkSync(target, path.join(this.#folder, name, at));
		return this.commit(name, {});
	}

	/** The same where git itself refuses to add it. @returns the commit's id */
	linkInTree(name: string, at: string, target: string): string {
		const folder = path.join(this.#folder, name);
		const blob = gitWith(folder, target, "hash-object", "-w", "--stdin");
		const tree = gitWith(folder, `${git(folder, "ls-tree", "HEAD")}\n120000 blob ${blob}\t${at}\n`, "mktree");
		return git(folder, "commit-tree", "-m", "A link", "-p", "HEAD", tree);
	}

	/** A repository with these files on its main line. @returns its address */
	add(name: string, files: Record<string, string>): string {
		const folder = path.join(this.#folder, name);
		mkdirSync(folder, { recursive: true });
		git(folder, "init", "--quiet");
		this.commit(name, files);
		return `${this.url}/${name}`;
	}

	/** A repository that is a copy of a folder. @returns its address */
	addCopy(name: string, folder: string): string {
		cpSync(folder, path.join(this.#folder, name), { recursive: true });
		return `${this.url}/${name}`;
	}

	/** A further commit, on the branch that is checked out; a file with null is taken away. @returns its id */
	commit(name: string, files: Record<string, string | null>, message = "Change"): string {
		const folder = path.join(this.#folder, name);
		for (const [file, text] of Object.entries(files)) {
			mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
			if (text === null) rmSync(path.join(folder, file));
			else writeFileSync(path.join(folder, file), text);
		}
		git(folder, "add", "--all");
		git(folder, "commit", "--quiet", "--allow-empty", `--message=${message}`);
		return git(folder, "rev-parse", "HEAD");
	}

	/** A further commit that points to the newest of another repository. @returns its id */
	submodule(name: string, of: string, at: string): string {
		const folder = path.join(this.#folder, name);
		const sha = git(path.join(this.#folder, of), "rev-parse", "HEAD");
		mkdirSync(path.join(folder, at));
		git(folder, "update-index", "--add", "--cacheinfo", `160000,${sha},${at}`);
		return this.commit(name, { ".gitmodules": `[submodule "${at}"]\n\tpath = ${at}\n\turl = ${this.url}/${of}\n` });
	}

	/** An annotated tag of what is checked out. @returns the id of the tag */
	tag(name: string, tag: string): string {
		const folder = path.join(this.#folder, name);
		git(folder, "tag", "--annotate", `--message=${tag}`, tag);
		return git(folder, "rev-parse", `refs/tags/${tag}`);
	}

	/** Lets people leave out objects when they fetch, as forges do. */
	acceptFilters(name: string): void {
		git(path.join(this.#folder, name), "config", "uploadpack.allowFilter", "true");
	}

	/** Lets people push to a repository. */
	acceptPushes(name: string): void {
		const folder = path.join(this.#folder, name);
		git(folder, "config", "http.receivepack", "true");
		git(folder, "config", "receive.denyCurrentBranch", "updateInstead");
	}

	/** @returns the id of the commit that is checked out */
	head(name: string): string {
		return git(path.join(this.#folder, name), "rev-parse", "HEAD");
	}

	/** Gives a commit a name, as a forge does for the head of a pull request. */
	ref(name: string, ref: string, sha: string): void {
		git(path.join(this.#folder, name), "update-ref", ref, sha);
	}

	/** Checks out what is there under this name. */
	checkout(name: string, branch: string): void {
		git(path.join(this.#folder, name), "checkout", "--quiet", branch);
	}

	/** Takes a repository away. */
	remove(name: string): void {
		rmSync(path.join(this.#folder, name), { recursive: true });
	}

	/** Begins a branch where the present one is, and checks it out. */
	branch(name: string, branch: string): void {
		git(path.join(this.#folder, name), "checkout", "--quiet", "-b", branch);
	}
}
