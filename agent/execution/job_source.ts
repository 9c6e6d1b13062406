import { mkdtemp } from "node:fs/promises";
import path from "node:path";
import type { DiscoveryResult, DiscoveryWork } from "../../schema/wire/discovery.ts";
import { type Commit, commitAnswer } from "../../schema/wire/protocol.ts";
import type { ListedRef } from "../../schema/wire/refs.ts";
import { type Checkout, checkOut, fetchOnly } from "../git/checkout.ts";
import { CredentialHelper } from "../git/credential_helper.ts";
import { gitCredentials, ownCredentials } from "../git/credentials.ts";
import { discoverPipelines } from "../git/discover_pipelines.ts";
import { CheckoutFailed } from "../git/errors.ts";
import { Git } from "../git/git.ts";
import type { FetchedCommit } from "../git/included_files.ts";
import { listRefs } from "../git/list_refs.ts";
import { untilAnswered } from "../transport/retry.ts";
import { attemptPaths } from "./attempt_paths.ts";
import { jobEnvironment } from "./environment.ts";
import type { GitSource, JobContext } from "./job_context.ts";
import { endStoppedStep, type JobResources, runPhase } from "./job_resources.ts";
import { SourceFailed } from "./source_failed.ts";
import { unpackSource } from "./unpack_source.ts";

/** The positions of the agent's steps that read the source. */
const SOURCE_STEP = 0;
const DISCOVERY_STEP = 1;
const SHOWN_DIGITS = 12;

/** Fetches the source of a job. Every method throws SourceFailed if it cannot. */
export class JobSource {
	readonly #job: JobResources;
	/** Gives the credentials of the project's repository to git in the steps. */
	#credentialHelper: CredentialHelper | null = null;

	constructor(job: JobResources) {
		this.#job = job;
	}

	/** Puts the source into the workspace. @returns the commit; null for a source without one */
	prepare(source: NonNullable<JobContext["assignment"]["source"]>): Promise<Commit | null> {
		return this.#asSourceStep(() => ("git" in source ? this.#checkOut(source) : this.#unpack(source)), 0);
	}

	/** Reads the pipeline files of the commit. */
	async discover(source: GitSource, work: DiscoveryWork): Promise<DiscoveryResult> {
		const { spool, workspace } = this.#job;
		return this.#asSourceStep(async () => {
			const checkout = await this.#beginCheckout(source);
			const { commit, ref } = await fetchOnly(checkout);
			await this.#logCommit(commit);
			this.#job.steps.end(SOURCE_STEP, "succeeded", 0);
			return runPhase(this.#job, DISCOVERY_STEP, ":: read the pipeline files", () =>
				discoverPipelines(new Git(checkout, workspace), { sha: commit.sha, ref }, work, {
					fetch: (project, of) => this.#fetchProject(checkout, project, of),
					writeLine: (text) => spool.writeLine(text),
				}),
			);
		});
	}

	/** Fetches a commit of another project, whose files a pipeline includes. */
	async #fetchProject(
		{ source: own, ...checkout }: Checkout,
		{ name, repository, default_branch, credentials }: DiscoveryWork["projects"][number],
		ref: string | null,
	): Promise<FetchedCommit> {
		const workspace = await mkdtemp(path.join(attemptPaths(this.#job.context.folder).own, "include-"));
		const of: Checkout = {
			...checkout,
			source: { ...own, git: repository, ref: ref ?? default_branch, commit: null, credentials },
			workspace,
			reader: credentials === null ? "" : name,
			credentials: credentials === null ? null : gitCredentials(repository, credentials),
			pin: async ({ sha }) => sha,
		};
		const { commit } = await fetchOnly(of);
		return { git: new Git(of, workspace), sha: commit.sha };
	}

	/** Lists the branches and tags of the repository. */
	async listRefs(source: GitSource): Promise<ListedRef[]> {
		const { spool, workspace } = this.#job;
		return this.#asSourceStep(async () => {
			const checkout = await this.#beginCheckout(source, "list the refs of");
			return listRefs(new Git(checkout, workspace), source.git, (text) => spool.writeLine(text));
		}, 0);
	}

	/**
	 * The git settings with which steps reach the project's repository.
	 * @param folder the credentials folder as a step sees it
	 */
	credentialSettings(folder: string): [string, string][] {
		return this.#credentialHelper?.settings(folder) ?? [];
	}

	async close(): Promise<void> {
		await this.#credentialHelper?.close();
	}

	/**
	 * @param exitCode the exit code of the source step when `body` succeeds; undefined: `body` ends
	 * the step
	 */
	async #asSourceStep<Value>(body: () => Promise<Value>, exitCode?: number): Promise<Value> {
		const { steps, spool, stop } = this.#job;
		try {
			const value = await body();
			if (exitCode !== undefined) steps.end(SOURCE_STEP, "succeeded", exitCode);
			return value;
		} catch (error) {
			if (stop.reason) endStoppedStep(this.#job, SOURCE_STEP);
			if (stop.reason || !(error instanceof CheckoutFailed)) throw error;
			await spool.writeLine(`:: ${error.message}`);
			if (steps.list[SOURCE_STEP]?.state === "running") steps.end(SOURCE_STEP, "failed", null);
			throw new SourceFailed(error.message);
		}
	}

	async #checkOut(source: GitSource): Promise<Commit> {
		const { commit } = await checkOut(await this.#beginCheckout(source));
		await this.#logCommit(commit);
		if (source.credentials !== null && source.is_trusted) {
			const { credentials: folder } = attemptPaths(this.#job.context.folder);
			const credentials = ownCredentials(gitCredentials(source.git, source.credentials), source.git);
			this.#credentialHelper = await CredentialHelper.open(folder, credentials);
		}
		return commit;
	}

	async #unpack({ upload }: { upload: string }): Promise<null> {
		const { context, workspace, spool, steps, stop } = this.#job;
		await steps.begin([SOURCE_STEP], `:: unpack the source ${upload}`);
		const entries = await unpackSource({
			client: context.client,
			attempt: { id: context.assignment.attempt_id, token: context.token },
			workspace,
			file: path.join(context.folder, "source"),
			signal: stop.signal,
			writeLine: (text) => spool.writeLine(text),
		});
		await spool.writeLine(`:: ${entries} ${entries === 1 ? "entry" : "entries"}`);
		return null;
	}

	async #beginCheckout(source: GitSource, verb = "check out"): Promise<Checkout> {
		const { context, workspace, spool, steps, stop, processes, executor } = this.#job;
		const { assignment, checkoutEnvironment, mirrors, folder } = context;
		await steps.begin([SOURCE_STEP], `:: ${verb} ${source.git}${source.ref ? ` ${source.ref}` : ""}`);
		return {
			source,
			workspace,
			mirrors,
			env: jobEnvironment(checkoutEnvironment, { ...assignment, env: {} }, executor.paths, null),
			emptyHome: attemptPaths(folder).emptyHome,
			scratch: path.join(attemptPaths(folder).own, "large-files.git"),
			reader: source.credentials === null ? "" : assignment.run.project,
			credentials: source.credentials === null ? null : gitCredentials(source.git, source.credentials),
			cgroup: processes.cgroup,
			spool,
			signal: stop.signal,
			onStart: (started) => processes.add(started.pid),
			pin: (found, tagObject) => this.#pin(found, tagObject),
		};
	}

	/** Reports the found commit to the coordinator. @returns the commit that the whole run uses */
	async #pin(found: Commit, tagObject: string | null): Promise<string> {
		const { context, stop } = this.#job;
		const { assignment, client, token } = context;
		const json = { ...found, ...(tagObject === null ? {} : { tag_object: tagObject }) };
		const call = { method: "POST", path: `/api/v1/attempts/${assignment.attempt_id}/commit`, token, json, signal: stop.signal } as const;
		return (await untilAnswered(() => client.fetch(commitAnswer, call), stop.signal)).sha;
	}

	async #logCommit({ sha, message }: Commit): Promise<void> {
		await this.#job.spool.writeLine(`:: at ${sha.slice(0, SHOWN_DIGITS)} ${message.split("\n", 1)[0]}`);
	}
}
