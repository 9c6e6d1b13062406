import { expect, test } from "vitest";
import { parsePublicUrl } from "../../schema/wire/public_url.ts";

test.each([
	["https://ci.lan", "https://ci.lan"],
	["https://ci.lan/", "https://ci.lan"],
	["HTTPS://CI.lan:443/windlass//", "https://ci.lan/windlass"],
	["http://ci.lan:8080/team/ci", "http://ci.lan:8080/team/ci"],
])("%s is an address of a coordinator", (text, url) => {
	expect(parsePublicUrl(text)).toEqual({ url });
});

test.each([
	["ci.lan", /must be an address like https:\/\/ci\.example\.com, not ci\.lan/],
	["ftp://ci.lan", /must be an address/],
	["https://admin:secret@ci.lan/", /^must have no user and no password$/],
	["https://ci.lan/?a=b", /no query and no fragment/],
	["https://ci.lan/#top", /no query and no fragment/],
	["https://ci.lan/a;b", /a path of letters/],
	["https://ci.lan/a%2Fb", /a path of letters/],
	["https://ci.lan//windlass", /a path of letters/],
	["https://ci.lan/runs/ci", /begins with \/runs, which is the coordinator's own/],
])("%s is none, and the error says why", (text, message) => {
	expect(parsePublicUrl(text)).toEqual({ error: expect.stringMatching(message) });
});
