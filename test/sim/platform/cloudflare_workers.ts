/** What the Worker imports of its platform: the one class. */
export class DurableObject {
	protected readonly ctx: unknown;
	protected readonly env: unknown;

	constructor(context: unknown, environment: unknown) {
		this.ctx = context;
		this.env = environment;
	}
}

/** What goes on after an answer goes on by itself here. */
export function waitUntil(): void {}
