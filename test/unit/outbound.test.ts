import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { isAllowed, Outbound, parseOutbound } from "../../cli/outbound.ts";
import { NOT_ASKED } from "../../schema/wire/outbound.ts";

const allows = (rules: string, name: string, address = name) => isAllowed(parseOutbound(rules), name, address);

describe("what may be asked of other servers", () => {
	test.each<[string, string, string, string, boolean]>([
		["the outside", "external", "forge.test", "93.184.216.34", true],
		["the outside, by IPv6", "external", "forge.test", "2606:2800:220:1::1", true],
		["a name outside that leads inside", "external", "forge.test", "10.0.0.5", false],
		["a name outside that leads to this machine", "external", "forge.test", "127.0.0.1", false],
		["this machine by IPv6", "external", "forge.test", "::1", false],
		["this machine, dressed as IPv6", "external", "forge.test", "::ffff:127.0.0.1", false],
		["what a cloud tells its machines", "external,private", "forge.test", "169.254.169.254", false],
		["link-local by IPv6", "external,private", "forge.test", "fe80::1", false],
		["this network itself", "external", "forge.test", "0.0.0.0", false],
		["the LAN", "external,private", "forge.test", "192.168.1.9", true],
		["the LAN by IPv6", "private", "forge.test", "fd00::9", true],
		["the LAN alone", "private", "forge.test", "93.184.216.34", false],
		["this machine", "loopback", "127.0.0.1", "127.0.0.1", true],
		["a network", "192.168.1.0/24", "forge.test", "192.168.1.200", true],
		["another network", "192.168.1.0/24", "forge.test", "192.168.2.1", false],
		["a network, dressed", "192.168.1.0/24", "forge.test", "::ffff:192.168.1.200", true],
		["an address", "10.1.2.3", "forge.test", "10.1.2.3", true],
		["a name, wherever it leads", "git.lan", "git.lan", "10.9.9.9", true],
		["a name in capitals", "git.lan", "GIT.lan", "10.9.9.9", true],
		["another name", "git.lan", "evil-git.lan", "10.9.9.9", false],
		["names below", "*.lan", "git.lan", "10.9.9.9", true],
		["not the name itself", "*.lan", "lan", "10.9.9.9", false],
		["this machine, compatible", "external", "forge.test", "::7f00:1", false],
		["the LAN, behind NAT64", "external", "forge.test", "64:ff9b::a00:1", false],
		["the LAN, behind a NAT64 of one's own", "external", "forge.test", "64:ff9b:1::192.168.1.1", false],
		["the outside, behind NAT64", "external", "forge.test", "64:ff9b::93.184.216.34", true],
		["the LAN, by 6to4", "external", "forge.test", "2002:a00:1::", false],
		["a site's own, of old", "external", "forge.test", "fec0::1", false],
		["the LAN behind NAT64, where it may be asked", "private", "forge.test", "64:ff9b::a00:1", true],
		["this machine, compatible, where it may be asked", "loopback", "forge.test", "::1", true],
		["nothing", "none", "forge.test", "93.184.216.34", false],
	])("%s", (_, rules, name, address, expected) => {
		expect(allows(rules, name, address)).toBe(expected);
	});

	test("what is none of these is refused by name", () => {
		for (const wrong of ["http://git.lan", "10.0.0.0/33", "a b", "::1/129", "999.1.1.1"])
			expect(() => parseOutbound(wrong)).toThrow(`--allow-outbound: ${wrong.toLowerCase()} is not external`);
		for (const [wrong, meant] of [
			["externl", "external"],
			["privat", "private"],
			["localback", "loopback"],
		] as const)
			expect(() => parseOutbound(wrong)).toThrow(`; did you mean ${meant}?`);
		expect(parseOutbound("git, forge1, node, external-git").names).toEqual(["git", "forge1", "node", "external-git"]);
	});
});

test("one deadline holds for the whole of a call: a server that drips, or never answers, is left", async () => {
	const closed = Promise.withResolvers<void>();
	const server = createServer((request, response) => {
		request.resume();
		if (request.url === "/silent") return;
		response.writeHead(200);
		// Each byte would begin the time between two of them anew.
		const drip = setInterval(() => response.write("x"), 50);
		response.on("close", () => {
			clearInterval(drip);
			closed.resolve();
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	const outbound = new Outbound(parseOutbound("loopback"), 400);
	onTestFinished(() => outbound.close());
	for (const path of ["/drips", "/silent"]) {
		const answer = await outbound.ask({ url: `http://127.0.0.1:${port}${path}`, method: "POST", headers: {}, body: "{}" });
		expect([path, answer.status, answer.headers]).toEqual([path, 502, { [NOT_ASKED]: "unreachable" }]);
	}
	await closed.promise;
});
