import { describe, expect, test } from "vitest";
import { isAllowed, parseOutbound } from "../../cli/outbound.ts";
import { forgeOf } from "../../worker/forges/forge.ts";

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
		["nothing", "none", "forge.test", "93.184.216.34", false],
	])("%s", (_, rules, name, address, expected) => {
		expect(allows(rules, name, address)).toBe(expected);
	});

	test("what is none of these is refused by name", () => {
		for (const wrong of ["http://git.lan", "10.0.0.0/33", "a b", "::1/129"])
			expect(() => parseOutbound(wrong)).toThrow(`--allow-outbound: ${wrong.toLowerCase()} is not external`);
	});
});

describe("where the API of a forge is", () => {
	const of = (forge: "github" | "gitea" | "gitlab" | null, repository: string | null, forge_api: string | null = null) => {
		const found = forgeOf({ forge, repository, forge_api });
		return typeof found === "string" ? found : `${found.api} ${found.repository}`;
	};
	test.each([
		["github", "https://github.com/team/web.git", "https://api.github.com team/web"],
		["github", "git@github.com:team/web.git", "https://api.github.com team/web"],
		["github", "https://github.lan/team/web", "https://github.lan/api/v3 team/web"],
		["gitea", "http://git.lan:3000/team/web.git", "http://git.lan:3000/api/v1 team/web"],
		["gitea", "ssh://git@git.lan:2222/team/web.git", "https://git.lan/api/v1 team/web"],
		["gitlab", "https://gitlab.com/group/sub/web.git", "https://gitlab.com/api/v4 group/sub/web"],
	] as const)("%s, %s", (kind, repository, expected) => {
		expect(of(kind, repository)).toBe(expected);
	});

	test("is where the project says; a project without a forge, or without a repository on one, has none", () => {
		expect(of("gitea", "git@git.lan:team/web.git", "http://10.0.0.5:3000/api/v1/")).toBe("http://10.0.0.5:3000/api/v1 team/web");
		expect(of(null, "https://git.lan/a/b")).toBe("the project does not say what its forge is");
		for (const repository of [null, "/srv/git/web.git", "file:///srv/git/web.git"])
			expect(of("gitea", repository)).toBe("the repository of the project is not on a forge");
	});
});
