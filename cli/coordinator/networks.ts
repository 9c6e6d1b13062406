import { isIP, isIPv6 } from "node:net";

/** Addresses and networks as settings name them. */

/** Words for kinds of addresses. */
export const NAMED_NETWORKS = {
	loopback: ["127.0.0.0/8", "::1/128"],
	private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
} as const;

/** Whether this is an address (`10.0.0.1`, `::1`) or a network (`10.0.0.0/8`). */
export function isNetwork(text: string): boolean {
	const [address = "", prefix, ...rest] = text.split("/");
	const most = isIPv6(address) ? 128 : 32;
	return isIP(address) !== 0 && rest.length === 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= most));
}

/** The parts of a list with commas between, in lower case. */
export function listed(text: string): string[] {
	return text
		.split(",")
		.map((part) => part.trim().toLowerCase())
		.filter((part) => part !== "");
}
