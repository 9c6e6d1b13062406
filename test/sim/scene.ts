import { SickAgent, type Sickness, SimulatedAgent } from "./agents.ts";
import { Coordinator, type Times } from "./coordinator.ts";
import { Invariants } from "./invariants.ts";
import { Ledger } from "./ledger.ts";
import { Model } from "./model.ts";
import { Network } from "./network.ts";
import { People } from "./people.ts";
import { LABELS } from "./pipelines.ts";
import { NO_TROUBLE } from "./platform/trouble.ts";
import type { World } from "./world.ts";

/** The local host's times, those of the edge, and some of the shortest that the rule allows. */
const TIMES: readonly Times[] = [
	{ LEASE_TTL_MS: "60000", RENEW_MS: "10000", RENEW_TIMEOUT_MS: "5000", KILL_GRACE_MS: "10000", POLL_HOLD_MS: "50000" },
	{ LEASE_TTL_MS: "90000", RENEW_MS: "15000", RENEW_TIMEOUT_MS: "10000", KILL_GRACE_MS: "10000", POLL_HOLD_MS: "25000" },
	{ LEASE_TTL_MS: "20000", RENEW_MS: "2000", RENEW_TIMEOUT_MS: "2000", KILL_GRACE_MS: "6000", POLL_HOLD_MS: "50000" },
];

const AGENTS = [
	{ labels: LABELS, slots: 2 },
	{ labels: ["linux"], slots: 1 },
	{ labels: ["linux", "gpu"], slots: 3 },
	{ labels: [], slots: 1 },
];
const MINUTE_MS = 60_000;

/** Who and what there is in a world, and how it is put right. What is done to it is in actions.ts. */
export class Scene {
	readonly world: World;
	readonly coordinator: Coordinator;
	readonly network: Network;
	readonly ledger = new Ledger();
	readonly people: People;
	readonly agents: SimulatedAgent[];
	readonly model: Model;
	readonly invariants: Invariants;
	readonly leaseTtlMs: number;
	readonly #sick: SickAgent[] = [];
	readonly #twins: SimulatedAgent[] = [];

	constructor(world: World) {
		this.world = world;
		const times = world.random.pick(TIMES);
		this.leaseTtlMs = Number(times.LEASE_TTL_MS);
		this.coordinator = new Coordinator(world, times);
		this.network = new Network(world, this.coordinator);
		this.model = new Model(
			world,
			this.coordinator.dispatcher,
			{ leaseTtlMs: this.leaseTtlMs, killGraceMs: Number(times.KILL_GRACE_MS) },
			this.coordinator.environment,
		);
		this.coordinator.dispatcher.witness = this.model;
		this.invariants = new Invariants(world, this.coordinator, this.ledger, this.model, this.leaseTtlMs);
		world.check = () => this.invariants.check();
		this.people = new People(this);
		this.agents = AGENTS.slice(0, world.random.between(2, AGENTS.length)).map(
			(kind, index) => new SimulatedAgent(this, `agent ${index}`, kind),
		);
	}

	/** Everything is switched on. */
	begin(): void {
		this.coordinator.start(true);
		for (const agent of this.agents) agent.start();
	}

	/** Everything is switched off, and on again later. */
	goAway(ms: number): void {
		this.coordinator.killHost();
		for (const agent of [...this.agents, ...this.#sick, ...this.#twins]) agent.kill();
		this.world.naturally(ms, "everything is switched on again", () => this.begin());
	}

	stepClock(ms: number): void {
		this.invariants.clockSteps.push({ at: this.world.now, ms });
		this.coordinator.stepClock(ms);
	}

	/** For a while there are two processes with the state of one agent. */
	startTwin(agent: SimulatedAgent, ms: number): void {
		const twin = agent.twin();
		this.#twins.push(twin);
		this.ledger.copied.add(agent.name).add(twin.name);
		twin.start();
		this.world.naturally(ms, `${twin.name} is stopped`, () => {
			twin.isWanted = false;
			twin.kill();
		});
	}

	/** For a while there is an agent that takes jobs and runs none. */
	startSick(sickness: Sickness, ms: number): void {
		const agent = new SickAgent(this, `sick agent ${this.#sick.length + 1}`, sickness, LABELS);
		this.#sick.push(agent);
		agent.start();
		this.world.naturally(ms, "a sick agent is stopped", () => agent.kill());
	}

	/** No more faults: whoever is gone comes back, what was broken works. Only what D1 refuses it still refuses. */
	mend(): void {
		const { world, network, coordinator } = this;
		network.mend();
		network.cutOff.clear();
		coordinator.record.trouble = NO_TROUBLE;
		coordinator.bucket.trouble = NO_TROUBLE;
		for (const place of [coordinator.dispatcher, ...coordinator.shards]) {
			place.alarmsToLose = 0;
			place.losesAnswers = false;
		}
		for (const agent of [...this.#sick, ...this.#twins]) agent.kill();
		for (const twin of this.#twins) twin.isWanted = false;
		coordinator.freeze(false);
		coordinator.start(true);
		for (const agent of this.agents) {
			agent.freeze(false);
			agent.start();
		}
		// A letter from before may still be on its way; after that, nobody pauses anything any more.
		world.naturally(MINUTE_MS, "the queue is to go on", () => this.people.resume());
		world.naturally(MINUTE_MS, "the quota is to go", () => this.people.limitRunning(null));
		this.#freeAgents();
	}

	/** Every agent may take every job again, now and every minute from now on. */
	#freeAgents(): void {
		this.world.naturally(MINUTE_MS, "agents are looked after", () => this.#freeAgents());
		if (!this.#isQueueMade) return;
		const bound = "SELECT 1 FROM agents WHERE disabled_at IS NOT NULL OR projects <> '[]' OR runs <> 'any'";
		if (this.coordinator.dispatcher.database.all(bound).length > 0) this.people.freeAgents();
	}

	/** In a bad world nobody has come through to the queue so far, not even once. */
	get #isQueueMade(): boolean {
		return this.coordinator.dispatcher.database.all("SELECT 1 FROM sqlite_schema WHERE name = 'jobs'").length > 0;
	}

	/** What keeps the world from being at rest, in words, but for the runs that these rows belong to. */
	unfinished(refused: readonly string[]): string {
		if (!this.#isQueueMade) return "nobody has come through to the queue";
		const without = `run_id NOT IN (SELECT run_id FROM jobs WHERE id IN (SELECT value FROM json_each(?1))
			UNION SELECT run_id FROM attempts WHERE id IN (SELECT value FROM json_each(?1)))`;
		const count = (rows: string) => {
			const text = `SELECT count(*) AS n FROM (${rows}) WHERE ${without}`;
			return this.coordinator.dispatcher.database.all<{ n: number }>(text, JSON.stringify(refused))[0]?.n ?? 0;
		};
		const left = {
			runs: count("SELECT id AS run_id FROM runs"),
			outbox: count("SELECT run_id FROM outbox"),
			"rows set aside": count("SELECT run_id FROM outbox_dead"),
			// No forge can be reached here; a status is given up at once.
			effects: count("SELECT coalesce(payload ->> 'runId', '') AS run_id FROM effects WHERE NOT (is_dead = 1 AND kind = 'commit_status')"),
		};
		return Object.entries(left)
			.filter(([, n]) => n > 0)
			.map(([what, n]) => `${n} ${what}`)
			.join(", ");
	}
}
