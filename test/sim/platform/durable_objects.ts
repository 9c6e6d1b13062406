import { Database, type Value } from "../../support/sqlite.ts";
import { Life, Violation, type World } from "../world.ts";

/**
 * Durable Objects: named, one instance at a time, made when it is called or its alarm falls due. The instance can be lost at any moment,
 * with its memory and what it had begun; its storage and its alarm stay.
 */

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;
interface Alarmed {
	alarm(): void;
}
type ObjectClass = new (context: never, environment: never) => object;

/** WorldResult of every call, at the moment at which the object takes it. */
export interface Witness {
	before(method: string, args: unknown[]): void;
	after(result?: Promise<unknown>): void;
}

/** So often may an alarm ring at one instant: for this, for that, but not on and on. */
const MAX_RINGS = 50;
/** The answers of a method that are lost more often than later ones. */
const FIRST_ANSWERS = 2;
/** How long a call within the coordinator takes. */
const CALL_MS = 2;

export class ObjectPlace {
	readonly name: string;
	readonly database = new Database();
	/** WorldResult of what happens in this object, if anybody wants to know. */
	witness: Witness | null = null;
	/** When the alarm falls due, by the wall clock; null if none is set. */
	alarmAt: number | null = null;
	/** Whether answers may be lost on their way to the caller. */
	losesAnswers = true;
	/** How many alarms from now on are lost. */
	alarmsToLose = 0;
	readonly #world: World;
	readonly #type: ObjectClass;
	readonly #environment: object;
	/** The process that all objects are in; null while there is none. */
	#process: Life | null = null;
	#instance: object | null = null;
	#life: Life | null = null;
	/** Calls of others that wait for this object's answer. */
	#calls = new Set<(error: Error) => void>();
	/** How many answers each method has given. */
	readonly #answers = new Map<string, number>();
	#alarms = 0;
	/** How often the alarm has rung at one instant. */
	#rings = 0;
	#rungAt = -1;

	constructor(world: World, name: string, type: ObjectClass, environment: object) {
		this.#world = world;
		this.name = name;
		this.#type = type;
		this.#environment = environment;
	}

	/** There is a process to live in. */
	run(process: Life): void {
		this.#process = process;
		if (this.alarmAt !== null) this.#planAlarm();
	}

	/** The process is gone, or the object was reset, or evicted: its memory is lost. Whoever waits for an answer of it hears so. */
	lose(): void {
		this.#life?.end();
		this.#life = null;
		this.#instance = null;
		const calls = this.#calls;
		this.#calls = new Set();
		for (const fail of calls) fail(new Error("the object was reset"));
	}

	/** Nobody waits for it: it may be evicted. */
	get isIdle(): boolean {
		return this.#instance !== null && this.#calls.size === 0;
	}

	stop(): void {
		this.#process = null;
		this.lose();
	}

	/** Calls a method, as the doing of the object; the answer comes back to whoever calls. */
	call(method: string, args: unknown[]): Promise<unknown> {
		const world = this.#world;
		const caller = world.life;
		const taken = structuredClone(args);
		return new Promise((resolve, reject) => {
			const fail = (error: Error) =>
				void world.after(0, `${this.name}.${method} has failed`, () => reject(Object.assign(error, { retryable: true })), caller);
			if (!this.#process) return fail(new Error("there is no process"));
			this.#calls.add(fail);
			const answer = (settle: () => void) => {
				if (!this.#calls.delete(fail)) return;
				if (this.#isAnswerLost(method)) return fail(new Error("the answer was lost"));
				world.after(world.random.below(CALL_MS), `${this.name}.${method} has answered`, settle, caller);
			};
			world.after(
				world.random.below(CALL_MS),
				`${this.name}.${method} is called`,
				() => {
					if (!this.#calls.has(fail)) return;
					return this.#enter(() => this.#perform(method, taken)).then(
						(value) => answer(() => resolve(structuredClone(value))),
						(error) => answer(() => reject(error)),
					);
				},
				this.#process,
			);
		});
	}

	/** Whether the object has done what it was asked for, and its caller cannot know. The first answers of each method are lost more often. */
	#isAnswerLost(method: string): boolean {
		const answers = (this.#answers.get(method) ?? 0) + 1;
		this.#answers.set(method, answers);
		if (!this.losesAnswers || !this.#world.random.chance(answers <= FIRST_ANSWERS ? 0.5 : 0.005)) return false;
		this.#world.strike(`answer of ${method} lost`);
		return true;
	}

	#perform(method: string, args: unknown[]): Promise<unknown> {
		const instance = this.#living() as Methods;
		this.witness?.before(method, args);
		const result = (instance[method] as Methods[string])(...args);
		this.witness?.after(result);
		return result;
	}

	/** What follows is the doing of the object's own life: it ends with it. */
	async #enter<Result>(body: () => Promise<Result>): Promise<Result> {
		this.#living();
		this.#world.life = this.#life as Life;
		return body();
	}

	#living(): object {
		if (this.#instance) return this.#instance;
		this.#life = new Life(this.name, this.#process);
		this.#world.life = this.#life;
		this.witness?.before("constructor", []);
		this.#instance = new this.#type(this.#context() as never, this.#environment as never);
		this.witness?.after();
		return this.#instance;
	}

	#context(): object {
		const { database } = this;
		return {
			id: { name: this.name },
			storage: {
				sql: {
					exec: (text: string, ...params: Value[]) => {
						const rows = database.all<Record<string, Value>>(text, ...params);
						return Object.defineProperty(rows, "toArray", { value: () => rows });
					},
				},
				transactionSync: <Result>(body: () => Result) => database.tx(body),
				setAlarm: async (at: number) => {
					this.alarmAt = at;
					this.#planAlarm();
				},
			},
		};
	}

	/** The alarm falls due by the wall clock, whatever happens to that in between. */
	#planAlarm(): void {
		this.#alarms += 1;
		const number = this.#alarms;
		const due = () => {
			if (number !== this.#alarms || this.alarmAt === null || !this.#process) return;
			const left = this.alarmAt - this.#world.wallClock;
			if (left > 0) this.#world.after(left, `${this.name} looks at its alarm`, due, this.#process);
			else this.#ring();
		};
		this.#world.after(
			Math.max(0, (this.alarmAt as number) - this.#world.wallClock),
			`the alarm of ${this.name}`,
			due,
			this.#process as Life,
		);
	}

	/** The clock was stepped: the alarm is nearer, or farther. */
	clockStepped(): void {
		if (this.alarmAt !== null && this.#process) this.#planAlarm();
	}

	#ring(): void {
		this.alarmAt = null;
		this.#rings = this.#rungAt === this.#world.now ? this.#rings + 1 : 0;
		this.#rungAt = this.#world.now;
		if (this.#rings > MAX_RINGS) throw new Violation("an alarm rings without end", this.name);
		if (this.alarmsToLose > 0) {
			this.alarmsToLose -= 1;
			this.#world.strike("alarm lost");
			return;
		}
		const instance = this.#living() as Alarmed;
		this.#world.life = this.#life as Life;
		this.witness?.before("alarm", []);
		instance.alarm();
		this.witness?.after();
	}
}

/** The binding of a class of objects. */
export function namespaceOf(place: (name: string) => ObjectPlace) {
	return {
		getByName(name: string) {
			return new Proxy(
				{},
				{
					get:
						(_, method: string) =>
						(...args: unknown[]) =>
							place(name).call(method, args),
				},
			);
		},
	};
}
