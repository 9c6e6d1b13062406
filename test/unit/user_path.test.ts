import { expect, test } from "vitest";
import { userPath } from "../../cli/user_path.mjs";

const NPM = "/opt/windlass/node_modules/.bin:/opt/node_modules/.bin:/node_modules/.bin:/usr/lib/npm/@npmcli/run-script/lib/node-gyp-bin";
const USER = "/home/ci/node_modules/.bin:/usr/local/bin:/usr/bin";

test.each([
	["a PATH that npm has not touched stays as it is", USER, USER],
	["what npm run prepends goes, and the user's own node_modules/.bin stays", `${NPM}:${USER}`, USER],
	["npm within npm prepends twice", `${NPM}:${NPM.replaceAll("windlass", "team")}:${USER}`, USER],
	["npm exec prepends the folder of its package, too", `/root/.npm/_npx/1/node_modules/.bin:${NPM}:${USER}`, USER],
	["what somebody has put before it stays", `/first:${NPM}:${USER}`, `/first:${USER}`],
	["an empty entry, which is the working folder, stays", `${NPM}::/usr/bin`, ":/usr/bin"],
])("%s", (_, text, expected) => {
	expect(userPath(text)).toBe(expected);
});
