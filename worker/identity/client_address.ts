import ipaddr from "ipaddr.js";
import type { Environment } from "../bindings.ts";

/** The client of a request, from the socket and the headers of trusted proxies. */
export interface Client {
	/**
	 * An IPv4 address, or the /64 network of an IPv6 address, which belongs to one host. `unknown`
	 * without one.
	 */
	address: string;
	/** The scheme that a trusted proxy reports; null without one. */
	scheme: "http:" | "https:" | null;
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Address, number];

const UNKNOWN = "unknown";
/** The bits of the network in an IPv6 address; hosts choose the other bits freely. */
const IPV6_NETWORK_BITS = 64;
/** An IPv4 address with or without a port. */
const IPV4 = /^(\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?$/;
/** More hops than any chain of proxies has. */
const MAX_HOPS = 20;

/**
 * The client of a request. Only the entries of `X-Forwarded-For` that trusted proxies
 * (TRUSTED_PROXIES) wrote count: read from the end, the first untrusted address is the client.
 */
export function clientOf(request: Request, environment: Environment): Client {
	const socketAddress = socketAddressOf(request, environment);
	const proxies = trustedProxies(environment.TRUSTED_PROXIES ?? "");
	// Fast path for IPv4 without proxies, the common case.
	const [, plain] = proxies.length === 0 ? (IPV4.exec(socketAddress) ?? []) : [];
	if (plain !== undefined) return { address: plain, scheme: null };
	const socket = parse(socketAddress);
	if (socket === null) return { address: UNKNOWN, scheme: null };
	if (!isIn(proxies, socket)) return { address: nameOf(socket), scheme: null };
	return { address: nameOf(forwardedFor(request, proxies) ?? socket), scheme: forwardedScheme(request) };
}

/**
 * The address of the other end of the connection: from the header of Cloudflare, or from workerd
 * on a local host.
 */
function socketAddressOf(request: Request, { HOST_SECRET }: Environment): string {
	const isLocal = HOST_SECRET !== undefined;
	const socketAddress = isLocal ? (request.cf as { clientIp?: unknown } | undefined)?.clientIp : request.headers.get("CF-Connecting-IP");
	return typeof socketAddress === "string" ? socketAddress : "";
}

/**
 * Parses an address with or without a port: `10.0.0.1:4711`, `[::1]:4711`. Null for any other
 * text.
 */
function parse(text: string): Address | null {
	const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, "$1");
	// Converts an IPv4 address that is mapped into IPv6.
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

/** The parsed setting; it does not change while the Worker runs. */
let parsed: { text: string; networks: readonly Network[] } = { text: "", networks: [] };

function trustedProxies(text: string): readonly Network[] {
	if (parsed.text !== text) parsed = { text, networks: text.split(",").filter(Boolean).map(networkOf) };
	return parsed.networks;
}

/** @throws Error if the setting is neither an address nor a network */
function networkOf(text: string): Network {
	if (text.includes("/")) return ipaddr.parseCIDR(text);
	const address = ipaddr.process(text);
	return [address, address.kind() === "ipv4" ? 32 : 128];
}
