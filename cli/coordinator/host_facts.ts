import { statfs } from "node:fs/promises";
import { connect } from "node:tls";

/** What the host says of its machine to the coordinator, for metrics. */

const INTERVAL_MS = 30_000;
const CERTIFICATE_EVERY_MS = 60 * 60_000;
const CONNECT_MS = 10_000;

export interface Facts {
	/** Of the data folder, in bytes. */
	disk: { free: number; total: number } | null;
	/** When the certificate of the public address expires, in milliseconds since 1970; null if it has none. */
	certificate_expires_at: number | null;
	/** How often the host makes backups, and when it made the newest; null if it makes none. */
	backups: { every_ms: number; last_at: number | null } | null;
}

/** Says at intervals how much disk is free, and when the certificate of the public address expires. */
export class HostFacts {
	backups: () => Facts["backups"] = () => null;
	readonly #folder: string;
	readonly #publicUrl: string | null;
	#certificate: { expiresAt: number | null; readAt: number } | null = null;
	#timer: NodeJS.Timeout | undefined;

	constructor(folder: string, publicUrl: string | null) {
		this.#folder = folder;
		this.#publicUrl = publicUrl;
	}

	/** @param say sends the facts; what cannot be sent is sent the next time */
	start(say: (facts: Facts) => Promise<unknown>): void {
		const look = () =>
			void this.#read()
				.then(say)
				.catch(() => undefined);
		look();
		this.#timer = setInterval(look, INTERVAL_MS);
		this.#timer.unref();
	}

	stop(): void {
		clearInterval(this.#timer);
	}

	async #read(): Promise<Facts> {
		const disk = await statfs(this.#folder).then(
			({ bavail, blocks, bsize }) => ({ free: bavail * bsize, total: blocks * bsize }),
			() => null,
		);
		return { disk, certificate_expires_at: await this.#certificateEnd(), backups: this.backups() };
	}

	async #certificateEnd(): Promise<number | null> {
		if (!this.#publicUrl?.startsWith("https:")) return null;
		const { readAt = Number.NEGATIVE_INFINITY, expiresAt = null } = this.#certificate ?? {};
		// Without an answer it is looked up again at once.
		if (expiresAt !== null && Date.now() - readAt < CERTIFICATE_EVERY_MS) return expiresAt;
		const found = await certificateEnd(new URL(this.#publicUrl));
		this.#certificate = { expiresAt: found, readAt: Date.now() };
		return found;
	}
}

/** When the certificate of an address expires, in milliseconds since 1970; null if it cannot be read. */
export function certificateEnd({ hostname, port }: URL): Promise<number | null> {
	return new Promise((resolve) => {
		// One that is not trusted, or has expired, is told of, too.
		const socket = connect({
			host: hostname,
			port: Number(port || 443),
			servername: hostname,
			rejectUnauthorized: false,
			timeout: CONNECT_MS,
		});
		const end = (value: number | null) => {
			socket.destroy();
			resolve(value);
		};
		socket.once("secureConnect", () => {
			const until = Date.parse(socket.getPeerCertificate().valid_to ?? "");
			end(Number.isNaN(until) ? null : until);
		});
		socket.once("error", () => end(null));
		socket.once("timeout", () => end(null));
	});
}
