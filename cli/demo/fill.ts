import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredPipeline } from "../../schema/wire/pipelines.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Agent, Page, Run, RunSummary, SubmittedBatch } from "../../schema/wire/resources.ts";
import { Connection } from "../connection.ts";
import type { Coordinator } from "../coordinator/coordinator.ts";
import { type AgentSettings, BUILDERS, DemoAgent, DISABLED_AGENT, DRAINED_AGENT, LOST_AGENT, SECOND_PHONE } from "./agents.ts";
import { deliver, pullRequestOf, pushOf } from "./deliveries.ts";
import { pastTimes, writeHistory } from "./history.ts";
import { type Branch, type DemoProject, PROJECTS } from "./projects.ts";
import { type Commit, makeRepository, type Repository } from "./repositories.ts";

/** Fills a coordinator with projects, runs and agents. */

const HOOK_SECRET = "demo-hook-secret-0123456789";
const SECRETS: [name: string, value: string, project?: string][] = [
	["hook", HOOK_SECRET],
	["forge_token", "demo-forge-token"],
	["cloud_token", "demo-cloud-token", "infra"],
	["pager_key", "demo-pager-key", "infra"],
	["npm_token", "demo-npm-token", "web"],
	["signing_key_password", "demo-password", "mobile-app"],
];

const SOAK = `# Uses the newest build for fifteen minutes.
name: soak
priority: 50
jobs:
  soak:
    runs_on: [soak]
    steps:
      - name: soak
        run: 'for minute in $(seq 15); do echo "minute $minute: 0 crashes, 212 MB"; sleep 60; done'
`;

/** How often, and how many times, the fill looks for what it waits for. */
const POLL_MS = 300;
const TRIES = 600;

/** What a fill needs. */
export interface ContentOptions {
	/** Where the repositories are, in `git`, and the agents have their files. */
	folder: string;
	/** The admin token. */
	token: string;
	/** The address of the forge. */
	forge: string;
	/** Gets every agent as soon as it has started; the caller stops them. */
	agents: DemoAgent[];
}

/** Fills a new coordinator. Some runs go on for minutes after this has returned. */
export async function fillWithContent(coordinator: Coordinator, options: ContentOptions): Promise<void> {
	await new Fill(coordinator, options).all();
}

/** Starts the agents again that still are there at the end of a fill. */
export async function restartAgents(coordinator: Coordinator, options: Pick<ContentOptions, "folder" | "agents">): Promise<void> {
	for (const settings of [...BUILDERS, SECOND_PHONE]) {
		const token = await coordinator.registrationToken();
		options.agents.push(new DemoAgent(agentFolder(options.folder), coordinator.addresses.local, settings, token));
	}
}

function agentFolder(folder: string): string {
	return path.join(folder, "agents");
}

class Fill {
	readonly #coordinator: Coordinator;
	readonly #connection: Connection;
	readonly #options: ContentOptions;

	constructor(coordinator: Coordinator, options: ContentOptions) {
		this.#coordinator = coordinator;
		this.#connection = new Connection({ server: coordinator.addresses.local, apiToken: options.token });
		this.#options = options;
	}

	async all(): Promise<void> {
		for (const [name, value, project] of SECRETS)
			await this.#put(`/api/v1/secrets/${name}`, { value, ...(project === undefined ? {} : { project }) });
		const started = [...BUILDERS, LOST_AGENT, DISABLED_AGENT].map((settings) => this.#startAgent(settings));
		const filled = await Promise.all(PROJECTS.map((project, index) => this.#project(project, index)));
		const [, , lost] = await Promise.all(started);
		await Promise.all([...filled.map((one) => this.#today(one)), this.#losePhone(lost as DemoAgent), this.#disable(), this.#soak()]);
		await this.#history(filled);
		await this.#release(filled.find(({ project }) => project.name === "web") as FilledProject);
	}

	async #startAgent(settings: AgentSettings): Promise<DemoAgent> {
		const { labels, projects } = settings;
		const { token } = await this.#post<{ token: string }>("/api/v1/agent-tokens", { labels, projects });
		const agent = new DemoAgent(agentFolder(this.#options.folder), this.#coordinator.addresses.local, settings, token);
		this.#options.agents.push(agent);
		return agent;
	}

	async #project(project: DemoProject, seed: number): Promise<FilledProject> {
		const repository = await makeRepository(path.join(this.#options.folder, "git"), project, pastTimes(project.past.length, seed));
		const { hook_url } = await this.#post<Project>("/api/v1/projects", {
			name: project.name,
			repository: `${this.#options.forge}/${repository.name}.git`,
			hook_secret: "hook",
			forge: "gitea",
			forge_token: "forge_token",
		});
		return { project, repository, hook: hook_url, reserved: await this.#reserve(project) };
	}

	/** Uses up the numbers of the runs of history: by runs that end at once. @returns their ids */
	async #reserve({ name, past }: DemoProject): Promise<string[]> {
		const line = JSON.stringify({ project: name, pipeline: { if: "false", steps: ["true"] } });
		const bytes = Array.from(past, () => line).join("\n");
		const body = { type: "application/x-ndjson", bytes };
		const { items } = await this.#connection.json<SubmittedBatch>("/api/v1/runs/batch", { method: "POST", body });
		return items.map(({ id }) => id);
	}

	/** The runs of today of a project: its default branch commit by commit, its branches at once. */
	async #today(filled: FilledProject): Promise<void> {
		const { project, repository } = filled;
		const branches = project.branches.filter(({ name }) => !name.startsWith("release/"));
		await Promise.all([this.#defaultBranch(filled), ...branches.map((branch) => this.#branch(filled, branch))]);
		if (project.name === "web")
			await deliver(filled.hook, "push", pushOf(repository.name, "main", null, repository.pushed[0] as Commit), "a former secret");
	}

	async #defaultBranch(filled: FilledProject): Promise<void> {
		const { pushed, past } = filled.repository;
		let before = past.at(-1)?.sha ?? null;
		for (const [index, commit] of pushed.entries()) {
			const runs = await this.#push(filled, "main", before, commit);
			before = commit.sha;
			const isNewest = index === pushed.length - 1;
			await Promise.all(runs.map((id) => this.#settled(id, isNewest)));
		}
	}

	async #branch(filled: FilledProject, { name, pullRequest }: Branch): Promise<void> {
		const commits = filled.repository.branches.get(name) ?? [];
		const newest = commits.at(-1) as Commit;
		let before: string | null = null;
		let runs: string[] = [];
		if (!pullRequest?.fork) {
			for (const commit of commits) {
				runs = await this.#push(filled, name, before, commit);
				before = commit.sha;
			}
		}
		if (name === "renovate/gradle-9.x") await Promise.all(runs.map((id) => this.#cancel(id)));
		if (pullRequest) {
			const { number, title, fork = null } = pullRequest;
			const payload = pullRequestOf(filled.repository.name, { number, title, branch: name, fork }, newest);
			runs = [...runs, ...(await this.#discovered(await deliver(filled.hook, "pull_request", payload, HOOK_SECRET)))];
		}
		await Promise.all(runs.map((id) => this.#settled(id, true)));
	}

	/** Pushes a commit. @returns the runs that it has started */
	async #push({ repository, hook }: FilledProject, branch: string, before: string | null, commit: Commit): Promise<string[]> {
		return this.#discovered(await deliver(hook, "push", pushOf(repository.name, branch, before, commit), HOOK_SECRET));
	}

	async #discovered(answer: { run_id: string | null } | null): Promise<string[]> {
		if (!answer?.run_id) throw new Error("the coordinator has not accepted a delivery of the content");
		const { jobs } = await this.#get<Run>(`/api/v1/runs/${answer.run_id}/wait?timeout=60`);
		return Object.values(jobs[0]?.outputs ?? {}).filter((text) => text.startsWith("run_"));
	}

	/**
	 * Waits until a run has ended, or goes on without the fill: it takes minutes, or waits for a
	 * person or an agent.
	 */
	async #settled(id: string, isNewest: boolean): Promise<void> {
		await this.#until(async () => {
			const run = await this.#get<Run>(`/api/v1/runs/${id}`);
			if (run.finished_at !== null) return true;
			const approval = run.jobs.find(({ state, reason }) => state === "blocked" && reason?.code === "approval");
			if (approval && !isNewest) await this.#post(`/api/v1/jobs/${approval.id}/approve`, { comment: "Staging looks good." });
			const open = run.jobs.filter(({ finished_at }) => finished_at === null);
			const goesOn = open.some(({ key, state }) => key === "train" || (key === "assemble" && state === "running"));
			return isNewest && (approval !== undefined || run.state === "waiting" || !run.trusted || goesOn);
		}, `run ${id}`);
	}

	/** Cancels a run, as a person who has pushed a fix would. */
	async #cancel(id: string): Promise<void> {
		await this.#post(`/api/v1/runs/${id}/cancel`, {});
	}

	/** Kills the agent with the phone while it runs a test; another one takes over. */
	async #losePhone(lost: DemoAgent): Promise<void> {
		await this.#agentThat(
			({ name, running }) => name === LOST_AGENT.name && running.some(({ job_name }) => job_name === "tests on a Pixel 9"),
		);
		lost.kill();
		await this.#startAgent(SECOND_PHONE);
	}

	async #disable(): Promise<void> {
		const { id } = await this.#agentThat(({ name, status }) => name === DISABLED_AGENT.name && status === "online");
		await this.#post(`/api/v1/agents/${id}/disable`, {});
	}

	/** A stored pipeline, a schedule of it that is paused, and a run of it on an agent that drains. */
	async #soak(): Promise<void> {
		const { id } = await this.#post<StoredPipeline>("/api/v1/pipelines", { name: "soak", project: "mobile-app", yaml: SOAK });
		const nightly = { cron: "30 2 * * 1-5", timezone: "Europe/Helsinki", pipeline: id };
		const schedule = await this.#post<{ id: string }>("/api/v1/projects/mobile-app/schedules", nightly);
		await this.#connection.send(`/api/v1/schedules/${schedule.id}`, { method: "PATCH", json: { paused: true } });
		await this.#post("/api/v1/projects/api/schedules", { cron: "0 5 * * *", file: ".windlass/ci.yml" });
		await this.#post(`/api/v1/pipelines/${id}/trigger`, {});
		await this.#startAgent(DRAINED_AGENT);
		const agent = await this.#agentThat(
			({ name, running }) => name === DRAINED_AGENT.name && running.some(({ job_name }) => job_name === "soak"),
		);
		await this.#post(`/api/v1/agents/${agent.id}/drain`, {});
	}

	async #history(filled: readonly FilledProject[]): Promise<void> {
		await Promise.all(
			filled.flatMap(({ reserved }) => reserved.map((id) => this.#connection.send(`/api/v1/runs/${id}`, { method: "DELETE" }))),
		);
		for (const { project, repository } of filled) {
			await writeHistory(this.#coordinator.database, {
				project: project.name,
				commits: repository.past,
				failed: project.failed,
				branches: new Map(project.pastBranches),
			});
		}
	}

	/** Starts the release last: its sixty jobs keep the agents busy for minutes. */
	async #release(web: FilledProject): Promise<void> {
		const branch = web.project.branches.find(({ name }) => name.startsWith("release/")) as Branch;
		await this.#push(web, branch.name, null, web.repository.branches.get(branch.name)?.at(-1) as Commit);
		// Lists show a run a moment after its page does.
		await this.#until(async () => {
			const { items } = await this.#get<Page<RunSummary>>("/api/v1/runs?project=web&limit=10");
			return items.some(({ pipeline, state }) => pipeline === "release" && state === "running");
		}, "the release");
	}

	async #agentThat(isMeant: (agent: Agent) => boolean): Promise<Agent> {
		let found: Agent | undefined;
		await this.#until(async () => {
			found = (await this.#get<Page<Agent>>("/api/v1/agents")).items.find(isMeant);
			return found !== undefined;
		}, "an agent");
		return found as Agent;
	}

	async #until(isSo: () => Promise<boolean>, what: string): Promise<void> {
		for (let tries = 0; tries < TRIES; tries += 1) {
			if (await isSo()) return;
			await sleep(POLL_MS);
		}
		throw new Error(`${what} has not come as far as the content needs`);
	}

	#get<Value>(address: string): Promise<Value> {
		return this.#connection.json<Value>(address);
	}

	#post<Value>(address: string, json: unknown): Promise<Value> {
		return this.#connection.json<Value>(address, { method: "POST", json });
	}

	#put(address: string, json: unknown): Promise<unknown> {
		return this.#connection.json(address, { method: "PUT", json });
	}
}

interface FilledProject {
	project: DemoProject;
	repository: Repository;
	hook: string;
	/** Runs that only use up numbers. */
	reserved: string[];
}
