import { lookup as resolve } from "node:dns/promises";
import { BlockList, isIP, isIPv6 } from "node:net";
import type { Agent } from "undici";
import { nearest } from "../../schema/text/nearest_word.ts";
import { NOT_ASKED } from "../../schema/wire/outbound.ts";
import { UsageError } from "../usage_error.ts";
import { isNetwork, listed, NAMED_NETWORKS } from "./networks.ts";

/**
 * The coordinator's requests to other servers: forges, chats and the servers that pipelines name. A
 * project or a pipeline could name a server of this network that only this machine may reach. So
 * the resolved address is checked, and the connection uses just that address.
 */

/** Words for kinds of addresses. `external` means all addresses that are in no other kind. */
const KINDS = {
	...NAMED_NETWORKS,
	// No word allows these: this network, link-local (metadata of clouds), shared, multicast,
	// reserved.
	none: [
		"0.0.0.0/8",
		"100.64.0.0/10",
		"169.254.0.0/16",
		"192.0.0.0/24",
		"198.18.0.0/15",
		"224.0.0.0/4",
		"240.0.0.0/4",
		"::/128",
		"fe80::/10",
		"fec0::/10",
		"ff00::/8",
	],
} as const;
/** Words that are no names of servers. */
const WORDS = ["external", "private", "loopback"];
const MAX_ANSWER_BYTES = 1024 * 1024;
/**
 * From the name's resolution to the last byte: a server that drips its answer would keep it open
 * for hours.
 */
const DEADLINE_MS = 15_000;
const PASSED_HEADERS = ["content-type", "location", "retry-after", "x-ratelimit-remaining"];

/** The addresses and names that are allowed. */
export interface OutboundRules {
	/** As the operator wrote them. */
	text: string;
	external: boolean;
	/** Allowed addresses, and addresses that are not external. */
	allowed: BlockList;
	inner: BlockList;
	/** Names whose addresses are all allowed; `*.lan` means all names below it. */
	names: string[];
}

/** @throws UsageError for an entry that is no word, name, address or network */
export function parseOutbound(text: string): OutboundRules {
	const rules: OutboundRules = { text, external: false, allowed: new BlockList(), inner: new BlockList(), names: [] };
	for (const network of Object.values(KINDS).flat()) add(rules.inner, network);
	for (const one of listed(text)) {
		if (one === "none") continue;
		if (one === "external") rules.external = true;
		else if (one === "loopback" || one === "private") for (const network of KINDS[one]) add(rules.allowed, network);
		else if (isNetwork(one)) add(rules.allowed, one);
		else if (isName(one)) rules.names.push(one);
		else {
			const word = nearest(one, WORDS);
			throw new UsageError(
				`--allow-outbound: "${one}" is not a valid entry. ${word ? `Did you mean ${word}?` : "Use external, private, loopback, none, a name (git.lan, *.lan), an address or a network (192.168.1.0/24)."}`,
			);
		}
	}
	return rules;
}

/** Whether this can be a server's name: not a malformed address, and not a mistyped word. */
function isName(text: string): boolean {
	const isWellFormed = /^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(text) && !/(^|\.)\d+$/.test(text);
	return isWellFormed && (!/^[a-z]+$/.test(text) || nearest(text, WORDS) === null);
}

/** For a coordinator without requests to other servers. */
export const NO_OUTBOUND = parseOutbound("none");

function add(list: BlockList, network: string): void {
	const [address = "", prefix] = network.split("/");
	const family = isIPv6(address) ? "ipv6" : "ipv4";
	list.addSubnet(address, Number(prefix ?? (family === "ipv6" ? 128 : 32)), family);
}

/** Whether the coordinator may connect to an address that a name resolves to. */
export function isAllowed(rules: OutboundRules, name: string, address: string): boolean {
	const host = name.toLowerCase();
	if (rules.names.some((one) => one === host || (one.startsWith("*.") && host.endsWith(one.slice(1))))) return true;
	const meant = [address, embeddedIn(address)].filter((one) => one !== null);
	const isIn = (list: BlockList) => meant.some((one) => list.check(one, isIPv6(one) ? "ipv6" : "ipv4"));
	return isIn(rules.allowed) || (rules.external && !isIn(rules.inner));
}

/**
 * The IPv4 address that an IPv6 address leads to; null for one that is its own. Mapped and
 * compatible (RFC 4291, 2.5.5), behind NAT64 (RFC 6052, RFC 8215), and 6to4 (RFC 3056).
 */
function embeddedIn(address: string): string | null {
	if (!isIPv6(address)) return null;
	const groups = groupsOf(address);
	const begins = (...prefix: number[]) => prefix.every((group, index) => groups[index] === group);
	const at = (index: number) => [groups[index] ?? 0, groups[index + 1] ?? 0].flatMap((group) => [group >> 8, group & 0xff]).join(".");
	if (begins(0x2002)) return at(1);
	const isEmbedding =
		begins(0, 0, 0, 0, 0, 0xffff) || begins(0, 0, 0, 0, 0, 0) || begins(0x64, 0xff9b, 0, 0, 0, 0) || begins(0x64, 0xff9b, 1);
	return isEmbedding && !begins(0, 0, 0, 0, 0, 0, 0) ? at(6) : null;
}

/** The eight groups of an IPv6 address, however it is written. */
function groupsOf(address: string): number[] {
	// The way of URLs: in hexadecimal throughout, the longest run of zeros left out.
	const [zone = ""] = address.split("%");
	const [head = "", tail] = new URL(`http://[${zone}]`).hostname.slice(1, -1).split("::");
	const numbers = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
	const [before, after] = [numbers(head), numbers(tail ?? "")];
	return tail === undefined ? before : [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

export interface OutboundRequest {
	url: string;
	method: string;
	headers: Record<string, string>;
	body: string;
}

export interface OutboundAnswer {
	status: number;
	headers: Record<string, string>;
	body: string;
}

class AddressNotAllowed extends Error {
	override name = "AddressNotAllowed";
}

/** Sends the Worker's requests to other servers, as far as the rules allow. */
export class Outbound {
	readonly #rules: OutboundRules;
	readonly #deadlineMs: number;
	/** Made for the first request: undici takes 30 MB. */
	#agent: Agent | null = null;

	/** @param deadlineMs the time limit of a whole request */
	constructor(rules: OutboundRules, deadlineMs = DEADLINE_MS) {
		this.#rules = rules;
		this.#deadlineMs = deadlineMs;
	}

	#agentOf({ Agent }: typeof import("undici")): Agent {
		this.#agent ??= new Agent({
			connect: {
				timeout: this.#deadlineMs,
				lookup: (hostname, _, done) => {
					this.#addressesOf(hostname).then(
						(addresses) => done(null, addresses),
						(error) => done(error as NodeJS.ErrnoException, []),
					);
				},
			},
			headersTimeout: this.#deadlineMs,
			bodyTimeout: this.#deadlineMs,
			keepAliveTimeout: 1_000,
			maxResponseSize: MAX_ANSWER_BYTES,
		});
		return this.#agent;
	}

	async ask({ url, method, headers, body }: OutboundRequest): Promise<OutboundAnswer> {
		const { hostname } = new URL(url);
		const host = hostname.replace(/^\[|\]$/g, "");
		try {
			// `lookup` is not called for an address.
			if (isIP(host) !== 0 && !isAllowed(this.#rules, host, host)) throw notAllowed(host, host);
			const undici = await import("undici");
			const signal = AbortSignal.timeout(this.#deadlineMs);
			const answer = await undici.request(url, { method: method as "POST", headers, body, dispatcher: this.#agentOf(undici), signal });
			const passed = PASSED_HEADERS.flatMap((name) => {
				const value = answer.headers[name];
				return typeof value === "string" ? [[name, value] as const] : [];
			});
			return { status: answer.statusCode, headers: Object.fromEntries(passed), body: await answer.body.text() };
		} catch (error) {
			const reason = reasonOf(error);
			return {
				status: 502,
				headers: { [NOT_ASKED]: reason instanceof AddressNotAllowed ? "refused" : "unreachable" },
				body: reason.message,
			};
		}
	}

	async close(): Promise<void> {
		await this.#agent?.destroy();
	}

	/** The allowed addresses of a name. */
	async #addressesOf(hostname: string): Promise<{ address: string; family: number }[]> {
		const found = await resolve(hostname, { all: true });
		const allowed = found.filter(({ address }) => isAllowed(this.#rules, hostname, address));
		if (allowed.length === 0) throw notAllowed(hostname, found.map(({ address }) => address).join(", "));
		return allowed;
	}
}

function notAllowed(name: string, addresses: string): AddressNotAllowed {
	const what = name === addresses ? name : `${name} (${addresses})`;
	return new AddressNotAllowed(`This coordinator may not connect to ${what}. Allow it with --allow-outbound.`);
}

/** The most useful cause: a connection that failed at several addresses has one for each. */
function reasonOf(error: unknown): Error {
	const { errors, cause } = error as { errors?: Error[]; cause?: Error };
	const inner = [error as Error, ...(errors ?? []), ...(cause ? [cause] : [])];
	return inner.find((one) => one instanceof AddressNotAllowed) ?? inner.find((one) => one.message) ?? (error as Error);
}
