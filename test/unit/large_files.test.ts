import { describe, expect, test } from "vitest";
import { gitCredentials, ownCredentials } from "../../agent/git/credentials.ts";
import { largeFileServer } from "../../agent/git/large_files.ts";

const OWN = "https://git.lan/team/web.git";

describe("the server of large files", () => {
	test.each([
		[OWN, null],
		[OWN, "https://git.lan/team/web.git/info/lfs"],
		[OWN, "https://git.lan/team/web.git/info/lfs/"],
		[OWN, "https://somebody:else@git.lan:443/team/x/../web.git/info/lfs?a=b#c"],
		["https://git.lan/team/web", "https://git.lan/team/web.git/info/lfs"],
		["https://git.lan/team/web/", "https://git.lan/team/web/info/lfs"],
		["git@git.lan:team/web.git", null],
	])("of %s is its own: %s", (address, configured) => {
		expect(largeFileServer(address, configured).isOwn).toBe(true);
	});

	test.each([
		"https://git.lan/team/other.git/info/lfs",
		"https://git.lan/team/web.git/../other.git/info/lfs",
		"https://git.lan/team/web.git/%2e%2e/other.git/info/lfs",
		"https://git.lan/team/web.git/..%2fother.git/info/lfs",
		"https://git.lan/team/web.git//info/lfs",
		"https://git.lan/team/web.gitx/info/lfs",
		"http://git.lan/team/web.git/info/lfs",
		"https://git.lan:8443/team/web.git/info/lfs",
		"https://git.lan.evil.test/team/web.git/info/lfs",
		"https://git.lan@evil.test/team/web.git/info/lfs",
		"file:///team/web.git",
		"git.lan/team/web.git/info/lfs",
		"",
	])("%j is not the project's", (configured) => {
		expect(largeFileServer(OWN, configured)).toEqual({ url: configured, isOwn: false });
	});
});

test("credentials of a repository are for no other one of its server", () => {
	const credentials = ownCredentials(gitCredentials(OWN, "ci:a:b"), "https://git.lan/team/web.git/");
	expect(credentials).toEqual({ scope: "https://git.lan/team/web.git", username: "ci", password: "a:b" });
});
