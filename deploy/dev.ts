import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OWN_SECRETS, SECRET_NAMES } from "./own_secrets.ts";
import { exitOf, ROOT, WranglerError, wrangler, wranglerShown } from "./wrangler.ts";

/**
 * `npm run dev`: the coordinator under `wrangler dev`, with a migrated local database, secrets and a
 * link to sign in. What follows `--` goes to wrangler, such as `--port 8080`.
 */

const VARIABLES = path.join(ROOT, ".dev.vars");
const EXAMPLE = path.join(ROOT, ".dev.vars.example");
const DEFAULT_PORT = "8787";
const SIGN_IN_LINK_MS = 10 * 60_000;
const READY_MS = 120_000;

async function main(args: readonly string[]): Promise<number> {
	const { ADMIN_TOKEN = "" } = variables();
	const place = optionWith(args, "--persist-to");
	const local = ["--local", ...(place === undefined ? [] : ["--persist-to", place])];
	console.log("windlass: Migrating the local database…");
	await wrangler(["d1", "migrations", "apply", "windlass", ...local]);
	const code = await storeSignInCode(ADMIN_TOKEN, local);
	const child = wranglerShown(["dev", ...args]);
	for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
	process.on("SIGINT", () => {});
	const url = `http://localhost:${optionWith(args, "--port") ?? DEFAULT_PORT}`;
	const ended = exitOf(child);
	void whenReady(url, ended).then((isReady) => {
		if (isReady) console.log(`\nsign in        ${url}/sign-in?code=${code}\nadmin token    ADMIN_TOKEN in .dev.vars\n`);
	});
	return ended;
}

/** The variables of .dev.vars, after what is missing there was made. */
function variables(): Record<string, string> {
	const present = existsSync(VARIABLES) ? readFileSync(VARIABLES, "utf8") : readFileSync(EXAMPLE, "utf8");
	let text = present;
	for (const name of SECRET_NAMES) {
		const value = OWN_SECRETS[name]();
		if (new RegExp(`^${name}=.`, "m").test(text)) continue;
		const line = new RegExp(`^${name}=$`, "m");
		text = line.test(text) ? text.replace(line, `${name}=${value}`) : `${text.trimEnd()}\n${name}=${value}\n`;
	}
	if (text !== present || !existsSync(VARIABLES)) {
		const whole = `${VARIABLES}.new`;
		writeFileSync(whole, text, { mode: 0o600 });
		renameSync(whole, VARIABLES);
		console.log("windlass: Made the missing secrets in .dev.vars.");
	}
	return Object.fromEntries([...text.matchAll(/^(\w+)=["']?(.*?)["']?$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

/** Stores a code that signs a browser in once. The Worker itself stores the token that it stands for. */
async function storeSignInCode(adminToken: string, local: readonly string[]): Promise<string> {
	const code = randomBytes(24).toString("hex");
	const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
	const values = [sha256(code), `tok_${sha256(adminToken).slice(0, 26)}`, Date.now() + SIGN_IN_LINK_MS];
	const sql = `INSERT INTO sign_in_links (hash, token_id, expires_at) VALUES (${values.map((value) => `'${value}'`).join(", ")})`;
	await wrangler(["d1", "execute", "windlass", ...local, "--command", sql]);
	return code;
}

/** Waits until the coordinator answers. @returns false if wrangler ends before */
async function whenReady(url: string, ended: Promise<number>): Promise<boolean> {
	const stopped = ended.then(() => true);
	for (const until = Date.now() + READY_MS; Date.now() < until; ) {
		if (await Promise.race([stopped, sleep(200, false)])) return false;
		const isReady = await fetch(`${url}/readyz`).then(
			(response) => response.ok,
			() => false,
		);
		if (isReady) return true;
	}
	return false;
}

function optionWith(args: readonly string[], name: string): string | undefined {
	const at = args.indexOf(name);
	return at === -1 ? args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1) : args[at + 1];
}

try {
	process.exitCode = await main(process.argv.slice(2));
} catch (error) {
	if (!(error instanceof WranglerError)) throw error;
	console.error(`windlass: ${error.message}`);
	process.exitCode = 1;
}
