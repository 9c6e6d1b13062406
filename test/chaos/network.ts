import { type AddressInfo, createServer, connect as openConnection, type Server, type Socket } from "node:net";

/** What the network does at the moment. */
type Mood = "fair" | "slow" | "half-open" | "forgetful";

/** A network of its own between an agent and the coordinator: TCP, passed on as it comes, until the mood changes. */
export class Network {
	readonly #server: Server;
	readonly #port: number;
	readonly #connections = new Set<Socket>();
	#mood: Mood = "fair";
	#delayMs = 0;
	/** How many answers were lost. */
	lostAnswers = 0;

	private constructor(server: Server, port: number) {
		this.#server = server;
		this.#port = port;
	}

	static async open(port: number): Promise<Network> {
		const server = createServer();
		const network = new Network(server, port);
		server.on("connection", (client) => network.#connect(client));
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		return network;
	}

	get url(): string {
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** Everything takes longer. */
	slow(delayMs: number): void {
		this.#mood = "slow";
		this.#delayMs = delayMs;
	}

	/** Connections stay open, and nothing passes any more. */
	halfOpen(): void {
		this.#mood = "half-open";
	}

	/** Requests arrive; each connection is broken when its answer comes. */
	loseAnswers(): void {
		this.#mood = "forgetful";
	}

	/** All is well. Connections from before are broken: what they have swallowed is gone. */
	repair(): void {
		this.#mood = "fair";
		this.cut();
	}

	/** Breaks every connection. */
	cut(): void {
		for (const socket of this.#connections) socket.destroy();
	}

	close(): void {
		this.cut();
		this.#server.close();
	}

	#connect(client: Socket): void {
		const upstream = openConnection(this.#port, "127.0.0.1");
		const both = [client, upstream];
		for (const socket of both) {
			this.#connections.add(socket);
			socket.on("error", () => undefined);
			socket.on("close", () => {
				this.#connections.delete(socket);
				for (const other of both) other.destroy();
			});
		}
		client.on("data", (chunk) => this.#pass(chunk, upstream));
		upstream.on("data", (chunk) => {
			if (this.#mood === "forgetful") {
				this.lostAnswers += 1;
				client.destroy();
			} else this.#pass(chunk, client);
		});
	}

	#pass(chunk: Buffer, to: Socket): void {
		if (this.#mood === "half-open") return;
		if (this.#mood === "slow") setTimeout(() => to.destroyed || to.write(chunk), this.#delayMs);
		else to.write(chunk);
	}
}
