import type { Step } from "../../schema/wire/resources.ts";
import type { StepState } from "../../schema/wire/states.ts";
import type { Position } from "../log/log_parts.ts";
import type { LogSpool } from "../log/log_spool.ts";

/** The steps of a job: those of the pipeline, and the agent's own around them. */
export class JobSteps {
	readonly #spool: LogSpool;
	readonly #now: () => number;
	readonly #steps: Step[];
	/** The position in the output at which each step began; null for a step that did not begin. */
	readonly #begins: (Position | null)[];
	/** Called with every change. */
	onChange: (steps: Step[]) => void = () => undefined;

	constructor(names: readonly string[], spool: LogSpool, now: () => number) {
		this.#now = now;
		this.#spool = spool;
		this.#steps = names.map((name) => ({
			name,
			state: "pending",
			exit_code: null,
			started_at: null,
			finished_at: null,
			log_offset: null,
			log_line: null,
		}));
		this.#begins = names.map(() => null);
	}

	/** The steps with their places in the log that is sent. */
	get list(): Step[] {
		return this.#steps.map((step, position) => {
			const begin = this.#begins[position];
			const place = begin && this.#spool.placeOf(begin);
			return { ...step, log_offset: place?.offset ?? null, log_line: place?.line ?? null };
		});
	}

	/** Begins a step; or several, which share their place in the log. */
	async begin(positions: readonly number[], line: string): Promise<void> {
		await this.#spool.endLine();
		for (const position of positions) {
			const step = this.#steps[position] as Step;
			this.#begins[position] = this.#spool.position;
			step.state = "running";
			step.started_at = new Date(this.#now()).toISOString();
		}
		this.onChange(this.list);
		await this.#spool.writeLine(line);
	}

	end(position: number, state: StepState, code: number | null): void {
		const step = this.#steps[position] as Step;
		step.state = step.started_at === null ? "skipped" : state;
		step.exit_code = step.started_at === null ? null : code;
		step.finished_at = step.started_at === null ? null : new Date(this.#now()).toISOString();
		this.onChange(this.list);
	}

	/** The job is over: no open step will run any more. */
	skipOpen(): void {
		for (const step of this.#steps) if (step.state === "pending" || step.state === "running") step.state = "skipped";
	}
}
