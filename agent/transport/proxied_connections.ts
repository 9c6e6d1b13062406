import { getCACertificates } from "node:tls";
import { type Dispatcher, EnvHttpProxyAgent, errors, request } from "undici";
import {
	BodyUnusable,
	CONNECT_TIMEOUT_MS,
	type Connections,
	KEEP_ALIVE_MS,
	MOST_CONNECTIONS,
	NoAnswerInTime,
	type OutgoingRequest,
	type Response,
} from "./connections.ts";

/** Connections through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, by undici. */
export class ProxiedConnections implements Connections {
	readonly #dispatcher: Dispatcher;

	/** @param ca certificates (PEM) to trust besides the system's */
	constructor(ca: string | null) {
		const tls = ca === null ? {} : { ca: [...getCACertificates("default"), ca] };
		this.#dispatcher = new EnvHttpProxyAgent({
			noProxy: process.env.NO_PROXY ?? process.env.no_proxy ?? "",
			keepAliveTimeout: KEEP_ALIVE_MS,
			keepAliveMaxTimeout: KEEP_ALIVE_MS,
			connect: { timeout: CONNECT_TIMEOUT_MS, ...tls },
			requestTls: { timeout: CONNECT_TIMEOUT_MS, ...tls },
			proxyTls: tls,
			connections: MOST_CONNECTIONS,
		});
	}

	async send({ method, url, headers, body, quietTimeoutMs, signal }: OutgoingRequest): Promise<Response> {
		const limits = { headersTimeout: quietTimeoutMs ?? 0, bodyTimeout: quietTimeoutMs ?? 0 };
		try {
			const { statusCode, ...answer } = await request(url, { method, headers, body, signal, dispatcher: this.#dispatcher, ...limits });
			return { status: statusCode, headers: answer.headers, body: answer.body };
		} catch (error) {
			if (error instanceof errors.HeadersTimeoutError) throw new NoAnswerInTime();
			const isUnusable = error instanceof errors.RequestContentLengthMismatchError || error instanceof errors.InvalidArgumentError;
			throw isUnusable ? new BodyUnusable(error.message) : error;
		}
	}

	async close(): Promise<void> {
		await this.#dispatcher.destroy();
	}
}
