import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { isAllowed, Outbound, parseOutbound } from "../../cli/coordinator/outbound.ts";
import { NOT_ASKED } from "../../schema/wire/outbound.ts";
import { send } from "../../worker/outbound/send.ts";

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

	test("an unknown value is rejected by name", () => {
		for (const wrong of ["http://git.lan", "10.0.0.0/33", "a b", "::1/129", "999.1.1.1"])
			expect(() => parseOutbound(wrong)).toThrow(`--allow-outbound: "${wrong.toLowerCase()}" is not a valid entry`);
		for (const [wrong, meant] of [
			["externl", "external"],
			["privat", "private"],
			["localback", "loopback"],
		] as const)
			expect(() => parseOutbound(wrong)).toThrow(`Did you mean ${meant}?`);
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

describe("a redirect of a forge's API", () => {
	test.each<[string, number, (url: string) => string, string]>([
		["within the origin", 307, () => "/repositories/1/statuses", "taken"],
		["by an address in full", 301, (url) => `${url}/repositories/1/statuses`, "taken"],
		["to another server", 307, () => "http://127.0.0.1:1/api", "redirects to http://127.0.0.1:1, which is not followed"],
		["to another port of the host", 308, () => "http://localhost:1/", "redirects to http://localhost:1"],
		["that asks for another request", 303, () => "/elsewhere", "which is not followed"],
		["that leads to itself", 302, () => "/repos/team/web", "which is not followed"],
	])("%s", async (_, status, locationOf, expected) => {
		const asked: string[] = [];
		const server = createServer(async (request, response) => {
			let body = "";
			for await (const chunk of request) body += chunk;
			asked.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
			if (request.url === "/repos/team/web") response.writeHead(status, { Location: locationOf(url) }).end();
			else response.writeHead(201).end();
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		onTestFinished(() => void server.close());
		const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		const outgoing = {
			url: `${url}/repos/team/web`,
			method: "POST",
			headers: { Authorization: "token of-forge" },
			body: "{}",
			hidden: ["of-forge"],
		} as const;
		const sent = (followsWithinOrigin: boolean) =>
			send({ ...outgoing, followsWithinOrigin }).then(
				() => "taken",
				(error: Error) => error.message,
			);
		expect(await sent(true)).toContain(expected);
		if (expected === "taken") expect(asked.at(-1)).toBe("POST /repositories/1/statuses token of-forge {}");
		expect(asked.length).toBeLessThanOrEqual(4);
		// Notifications are not led anywhere.
		expect(await sent(false)).toContain("which is not followed");
	});
});
