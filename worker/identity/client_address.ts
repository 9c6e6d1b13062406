import ipaddr from "ipaddr.js";
import type { Environment } from "../bindings.ts";

/** Where a request comes from: what the socket says, and what a proxy that is trusted says of its own client. */
export interface Client {
	/** An address; of IPv6 the network of 64 bits, which one host has to itself. `unknown` where nobody can tell. */
	address: string;
	/** The scheme that the client used, where a trusted proxy says so; null elsewhere. */
	scheme: "http:" | "https:" | null;
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Address, number];

const UNKNOWN = "unknown";
/** The bits of an IPv6 address that name a network; the rest its hosts choose as they like. */
const IPV6_NETWORK_BITS = 64;
/** An IPv4 address with or without a port. */
const IPV4 = /^(\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?$/;
/** More hops than any chain of proxies has. */
const MAX_HOPS = 20;

/**
 * Where a request comes from. The header `X-Forwarded-For` counts only as far as the proxies that wrote it are trusted
 * (TRUSTED_PROXIES): it is read from its end, and the first address that is no trusted proxy is the client.
 */
export function clientOf(request: Request, environment: Environment): Client {
	const said = saidOfSocket(request, environment);
	const proxies = trustedProxies(environment.TRUSTED_PROXIES ?? "");
	// Every request comes by here, and nearly all come from an IPv4 address without any proxy: nothing is to be compared then.
	const [, plain] = proxies.length === 0 ? (IPV4.exec(said) ?? []) : [];
	if (plain !== undefined) return { address: plain, scheme: null };
	const socket = parse(said);
	if (socket === null) return { address: UNKNOWN, scheme: null };
	if (!isIn(proxies, socket)) return { address: nameOf(socket), scheme: null };
	return { address: nameOf(forwardedFor(request, proxies) ?? socket), scheme: forwardedScheme(request) };
}

/** The other end of the connection. Only Cloudflare itself may say it in a header; on a local host workerd says it. */
function saidOfSocket(request: Request, { HOST_SECRET }: Environment): string {
	const isLocal = HOST_SECRET !== undefined;
	const said = isLocal ? (request.cf as { clientIp?: unknown } | undefined)?.clientIp : request.headers.get("CF-Connecting-IP");
	return typeof said === "string" ? said : "";
}

/** An address with or without a port: `10.0.0.1:4711`, `[::1]:4711`. Null for anything else. */
function parse(text: string): Address | null {
	const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, "$1");
	// An IPv4 address that is mapped into IPv6 is that very address.
	return ipaddr.isValid(bare) ? ipaddr.process(bare) : null;
}

function forwardedFor(request: Request, proxies: readonly Network[]): Address | null {
	const hops = (request.headers.get("X-Forwarded-For") ?? "").split(",").slice(-MAX_HOPS).reverse();
	let nearest: Address | null = null;
	for (const hop of hops) {
		const address = parse(hop.trim());
		if (address === null) return nearest;
		nearest = address;
		if (!isIn(proxies, address)) return address;
	}
	return nearest;
}

function forwardedScheme(request: Request): Client["scheme"] {
	const scheme = request.headers.get("X-Forwarded-Proto")?.split(",").at(-1)?.trim().toLowerCase();
	return scheme === "https" || scheme === "http" ? `${scheme}:` : null;
}

function nameOf(address: Address): string {
	if (address.kind() === "ipv4") return address.toString();
	return `${ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${IPV6_NETWORK_BITS}`).toString()}/${IPV6_NETWORK_BITS}`;
}

function isIn(networks: readonly Network[], address: Address): boolean {
	return networks.some(
		([network, bits]) => network.kind() === address.kind() && (address as ipaddr.IPv4).match(network as ipaddr.IPv4, bits),
	);
}

/** The setting does not change while the Worker runs. */
let parsed: { text: string; networks: readonly Network[] } = { text: "", networks: [] };

function trustedProxies(text: string): readonly Network[] {
	if (parsed.text !== text) parsed = { text, networks: text.split(",").filter(Boolean).map(networkOf) };
	return parsed.networks;
}

/** @throws Error for a setting that is neither an address nor a network */
function networkOf(text: string): Network {
	if (text.includes("/")) return ipaddr.parseCIDR(text);
	const address = ipaddr.process(text);
	return [address, address.kind() === "ipv4" ? 32 : 128];
}
