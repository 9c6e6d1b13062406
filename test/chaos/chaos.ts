import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Random } from "../sim/random.ts";
import type { AtEnd } from "../support/processes.ts";
import { type Checked, checkPromises } from "./check_promises.ts";
import { Clients } from "./clients.ts";
import { Faults } from "./faults.ts";
import { Stage } from "./stage.ts";

const AGENTS = 3;
/** One run after so long, on average. */
const SUBMIT_MS = 1_500;

export interface ChaosOptions {
	seed: number;
	ms: number;
	atEnd: AtEnd;
	/** Told of everything that is done. */
	onStrike: (line: string) => void;
}

/** Does everything to real processes for this long, then leaves them in peace, and looks at what has become of the work. */
export async function chaos({
	seed,
	ms,
	atEnd,
	onStrike,
}: ChaosOptions): Promise<{ checked: Checked; faults: Map<string, number>; lostAnswers: number }> {
	const random = new Random(seed);
	const mark = randomUUID();
	const stage = await Stage.open(AGENTS, atEnd);
	const clients = new Clients(random.fork(), stage.url, mark);
	const faults = new Faults(stage, random.fork(), onStrike);
	const submitting = clients.submitAllTheWhile(SUBMIT_MS);
	const striking = faults.strikeAllTheWhile();
	await Promise.race([pause(ms), submitting, striking]);
	faults.stop();
	await striking;
	clients.stop();
	await submitting;
	onStrike("from here on nothing is broken any more");
	const checked = await checkPromises(stage, clients, mark, onStrike);
	return { checked, faults: faults.counts, lostAnswers: stage.agents.reduce((sum, { network }) => sum + network.lostAnswers, 0) };
}
