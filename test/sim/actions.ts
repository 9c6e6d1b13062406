import type { SimulatedAgent } from "./agents.ts";
import { NO_TROUBLE } from "./platform/trouble.ts";
import type { Scene } from "./scene.ts";

/** Everything that can be done to a world. What is done for a while is undone by the world's own hand later. */
interface Action {
	/** How often it comes, compared with others. */
	weight: number;
	isFault: boolean;
	/** @param which, howMuch decide what is hit and how hard, from 0 to 1 */
	perform(scene: Scene, which: number, howMuch: number): void;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const part = (weight: number, perform: Action["perform"]): Action => ({ weight, isFault: false, perform });
const fault = (weight: number, perform: Action["perform"]): Action => ({ weight, isFault: true, perform });

/** A fault of one of the agents. */
const agentFault = (weight: number, perform: (scene: Scene, agent: SimulatedAgent, howMuch: number) => void): Action =>
	fault(weight, (scene, which, howMuch) =>
		perform(scene, scene.agents[Math.floor(which * scene.agents.length)] as SimulatedAgent, howMuch),
	);

/** Up to three leases: long enough for everything that hangs on one to happen. */
const aWhile = (scene: Scene, howMuch: number) => howMuch * 3 * scene.leaseTtlMs;

export const ACTIONS = {
	submit: part(34, ({ people }) => people.submit()),
	"submit again": fault(3, ({ people }) => people.submitAgain()),
	"cancel run": fault(5, ({ people }) => people.cancelRun()),
	"cancel job": fault(5, ({ people }) => people.cancelJob()),
	"late upload": fault(8, ({ people, leaseTtlMs }, _, howMuch) => people.uploadLate(howMuch * howMuch * 2 * leaseTtlMs)),
	rerun: part(4, ({ people }) => people.rerun()),
	trigger: part(2, ({ people }) => people.trigger()),
	deliver: part(7, ({ people }) => people.deliver()),
	look: part(6, ({ people }) => people.look()),
	follow: part(3, ({ people }) => people.follow()),
	"pause queue": fault(1, ({ world, people }, _, howMuch) => {
		world.naturally(howMuch * 2 * MINUTE_MS, "the queue is to go on", () => people.resume());
		people.pause();
	}),
	"resume queue": part(2, ({ people }) => people.resume()),
	"limit running jobs": fault(1, ({ world, people }, _, howMuch) => {
		world.naturally(howMuch * 2 * MINUTE_MS, "the quota is to go", () => people.limitRunning(null));
		people.limitRunning(2);
	}),

	"restrict agent": part(3, ({ people }) => people.manageAgent("restrict")),
	"disable agent": part(2, ({ world, people }, _, howMuch) => {
		people.manageAgent("disable");
		world.naturally(howMuch * 2 * MINUTE_MS, "agents are to be enabled", () => people.freeAgents());
	}),
	"drain by the coordinator": part(2, ({ people }) => people.manageAgent("drain")),
	"rotate token": part(3, ({ people }) => people.manageAgent("rotate")),
	"remove agent": fault(2, ({ people }) => people.manageAgent("remove")),
	"revoke registration token": part(1, ({ people }) => people.revokeToken()),

	"kill agent": agentFault(9, (scene, agent, howMuch) => {
		agent.kill();
		scene.world.naturally(aWhile(scene, howMuch), `${agent.name} comes back`, () => agent.start());
	}),
	"freeze agent": agentFault(8, (scene, agent, howMuch) => {
		agent.freeze(true);
		scene.world.naturally(aWhile(scene, howMuch), `${agent.name} goes on`, () => agent.freeze(false));
	}),
	"drain agent": agentFault(3, ({ world }, agent, howMuch) => {
		agent.drain();
		if (howMuch > 0.5) world.naturally(howMuch * 10_000, `${agent.name} is asked again to drain`, () => agent.drain());
	}),
	"cut off agent": agentFault(14, (scene, agent, howMuch) => {
		const { cutOff } = scene.network;
		cutOff.add(agent.name);
		scene.world.naturally(aWhile(scene, howMuch), `${agent.name} is reachable again`, () => void cutOff.delete(agent.name));
	}),
	"twin of agent": agentFault(2, (scene, agent, howMuch) => scene.startTwin(agent, howMuch * MINUTE_MS)),
	"sick agent": fault(2, (scene, which, howMuch) =>
		scene.startSick(which < 0.5 ? "never starts" : "always releases", howMuch * 2 * MINUTE_MS),
	),

	"kill workerd": fault(5, ({ world, coordinator }, _, howMuch) => {
		coordinator.kill();
		world.naturally(500 + howMuch * 4_000, "workerd is started again", () => coordinator.start(false));
	}),
	"kill host": fault(4, (scene, _, howMuch) => {
		scene.coordinator.killHost();
		startLater(scene, 2_000 + howMuch * aWhile(scene, howMuch));
	}),
	"freeze coordinator": fault(5, ({ world, coordinator, leaseTtlMs }, _, howMuch) => {
		coordinator.freeze(true);
		world.naturally(howMuch * howMuch * 2.5 * leaseTtlMs, "the coordinator goes on", () => coordinator.freeze(false));
	}),
	"stop as planned": fault(3, (scene, _, howMuch) => {
		scene.coordinator.stopAsPlanned();
		startLater(scene, 3_000 + howMuch * 2 * scene.leaseTtlMs);
	}),
	"reset dispatcher": fault(5, ({ coordinator }) => coordinator.dispatcher.lose()),
	"reset log shard": fault(4, ({ coordinator: { shards } }, which) => shards[Math.floor(which * shards.length)]?.lose()),
	"evict dispatcher": fault(6, ({ coordinator: { dispatcher } }) => {
		if (dispatcher.isIdle) dispatcher.lose();
	}),
	"step clock": fault(4, (scene, which, howMuch) => {
		const far = howMuch < 0.6 ? howMuch * 3_000 : howMuch * howMuch * 10 * MINUTE_MS;
		scene.stepClock(Math.round((which < 0.5 ? 1 : -1) * far));
	}),
	"lose alarms": fault(4, ({ coordinator }, _, howMuch) => {
		for (const place of [coordinator.dispatcher, ...coordinator.shards]) place.alarmsToLose += Math.ceil(howMuch * 3);
	}),

	"bad weather": fault(6, ({ world, network }, which, howMuch) => {
		network.weather = { loss: howMuch * 0.3, repeat: which * 0.3, slow: howMuch * 0.15 };
		world.naturally(10_000 + which * MINUTE_MS, "the weather is fair", () => network.calm());
	}),
	"trouble with D1": fault(4, ({ world, coordinator: { record } }, which, howMuch) => {
		record.trouble = { failing: howMuch * 0.6, forgetful: which * 0.3, slow: which * 0.6 };
		world.naturally(howMuch * 2 * MINUTE_MS, "D1 is well", () => {
			record.trouble = NO_TROUBLE;
		});
	}),
	"trouble with R2": fault(5, ({ world, coordinator: { bucket } }, which, howMuch) => {
		bucket.trouble = { failing: howMuch, forgetful: which * 0.5, slow: which * 0.2 };
		world.naturally(howMuch * 2 * MINUTE_MS, "R2 is well", () => {
			bucket.trouble = NO_TROUBLE;
		});
	}),
	"poison a row": fault(2, ({ coordinator: { dispatcher, record } }, which) => {
		if (dispatcher.database.writes === 0) return;
		const rows = dispatcher.database.all<{ id: string }>("SELECT id FROM jobs UNION ALL SELECT id FROM attempts");
		const row = rows[Math.floor(which * rows.length)];
		if (row) record.poison.add(row.id);
	}),
	"away for long": fault(0.5, (scene, _, howMuch) => scene.goAway(Math.ceil(1 + howMuch * 40) * DAY_MS)),
} satisfies Record<string, Action>;

export type ActionName = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as ActionName[];

function startLater({ world, coordinator }: Scene, ms: number): void {
	world.naturally(ms, "the host is started again", () => coordinator.start(true));
}
