import { randomUUID } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { OWN_SECRETS, SECRET_NAMES, type SecretName } from "./own_secrets.ts";
import { ROOT, WranglerError, wrangler } from "./wrangler.ts";

/**
 * `npm run deploy -- --name X`: puts the coordinator on Cloudflare, with its database, bucket and
 * secrets. Run again, it upgrades: what is there stays, the database is migrated, and the new version
 * takes over. With `--dry-run` it bundles the Worker, says what it would do, and changes nothing.
 */

const FOLDER = path.join(ROOT, ".windlass-deploy");
const NAME = /^[a-z][a-z0-9-]{1,53}[a-z0-9]$/;
/** Stands for the id of a database that is not there yet. */
const NO_DATABASE = "00000000-0000-4000-8000-000000000000";
const USAGE = "Usage: npm run deploy -- --name windlass [--public-url https://ci.example.com] [--dry-run]";

interface Options {
	name: string;
	publicUrl: string | undefined;
	isDryRun: boolean;
}

class InputError extends Error {}

function optionsOf(args: string[]): Options {
	let values: { name?: string; "public-url"?: string; "dry-run"?: boolean };
	try {
		({ values } = parseArgs({
			args,
			options: { name: { type: "string" }, "public-url": { type: "string" }, "dry-run": { type: "boolean" } },
		}));
	} catch (error) {
		throw new InputError(`${(error as Error).message}\n${USAGE}`);
	}
	const { name } = values;
	if (name === undefined) throw new InputError(`--name is missing.\n${USAGE}`);
	if (!NAME.test(name))
		throw new InputError(`--name ${name}: a name is lower-case letters, digits and dashes, from 3 to 55, and begins with a letter.`);
	const publicUrl = values["public-url"];
	if (publicUrl !== undefined && !/^https:\/\/[^/?#]+$/.test(publicUrl))
		throw new InputError(`--public-url ${publicUrl}: an address is like https://ci.example.com, without a path.`);
	return { name, publicUrl, isDryRun: values["dry-run"] ?? false };
}

async function main(options: Options): Promise<void> {
	const { name, isDryRun } = options;
	if (isDryRun) return dryRun(options);
	const databaseId = await step("Database", () => ensureDatabase(name));
	await step("Bucket", () => ensureBucket(name));
	const config = writeConfig(options, databaseId);
	const kept = await step("Secrets", () => missingSecrets(name, config));
	await step("Migrations", async () => void (await wrangler(["d1", "migrations", "apply", name, "--remote", "-c", config])));
	const output = await step("Worker", () => deploy(config, kept.made));
	const [url = options.publicUrl ?? "the address that wrangler printed"] = options.publicUrl
		? []
		: (/https:\/\/\S+\.workers\.dev/.exec(output) ?? []);
	console.log(`\nThe coordinator is at ${url}`);
	if (kept.made.ADMIN_TOKEN !== undefined) console.log(`Sign in at ${url}/sign-in with the token ${kept.made.ADMIN_TOKEN}`);
	if (kept.file !== null)
		console.log(`Its keys are in ${path.relative(ROOT, kept.file)}. Nobody can read them at Cloudflare: keep a copy in a safe place.`);
}

/** Does a step, and says so. */
async function step<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
	process.stdout.write(`${what.padEnd(12)}`);
	try {
		const value = await work();
		console.log("done");
		return value;
	} catch (error) {
		console.log("failed");
		throw error;
	}
}

async function dryRun(options: Options): Promise<void> {
	const config = writeConfig(options, NO_DATABASE, "dry-run.toml");
	const folder = path.join(FOLDER, `${options.name}-bundle`);
	await step("Bundle", () => wrangler(["deploy", "--dry-run", "--outdir", folder, "-c", config]));
	const { name } = options;
	console.log(
		[
			"Would then, as far as it is not there yet:",
			`  make the D1 database ${name} and the R2 bucket ${name}`,
			`  make the secrets ${SECRET_NAMES.join(", ")}, and keep them in ${path.relative(ROOT, secretsFile(name))}`,
			"  migrate the database",
			`  deploy the Worker ${name} with ${path.relative(ROOT, config)}`,
			"Nothing was changed at Cloudflare.",
		].join("\n"),
	);
}

/** @returns the id of the database of this name */
async function ensureDatabase(name: string): Promise<string> {
	const find = async () =>
		(JSON.parse(await wrangler(["d1", "list", "--json"])) as { name: string; uuid: string }[]).find((one) => one.name === name);
	const found = await find();
	if (found) return found.uuid;
	await wrangler(["d1", "create", name]);
	const made = await find();
	if (!made) throw new InputError(`wrangler has made the database ${name}, but does not list it. Try again in a minute.`);
	return made.uuid;
}

async function ensureBucket(name: string): Promise<void> {
	const listed = await wrangler(["r2", "bucket", "list"]);
	const names = [...listed.matchAll(/^name:\s*(\S+)/gm)].map(([, found]) => found);
	if (!names.includes(name)) await wrangler(["r2", "bucket", "create", name]);
}

/** The configuration of this deployment: that of the project, with its own names. */
function writeConfig({ name, publicUrl: given }: Options, databaseId: string, ending = "toml"): string {
	const replaced = (text: string, line: RegExp, by: string): string => {
		if (!line.test(text)) throw new Error(`wrangler.toml has no line like ${line}`);
		return text.replace(line, by);
	};
	let text = readFileSync(path.join(ROOT, "wrangler.toml"), "utf8");
	text = replaced(text, /^name = ".*"$/m, `name = "${name}"`);
	text = replaced(text, /^database_name = ".*"$/m, `database_name = "${name}"`);
	text = replaced(text, /^database_id = ".*"$/m, `database_id = "${databaseId}"`);
	text = replaced(text, /^bucket_name = ".*"$/m, `bucket_name = "${name}"`);
	const publicUrl = given ?? earlierPublicUrl(name);
	if (publicUrl !== undefined) text = replaced(text, /^\[vars\]$/m, `[vars]\nPUBLIC_URL = "${publicUrl}"`);
	const file = path.join(ROOT, `wrangler.${name}.${ending}`);
	writeFileSync(file, text);
	return file;
}

/** An upgrade keeps the address of the deployment before. */
function earlierPublicUrl(name: string): string | undefined {
	const file = path.join(ROOT, `wrangler.${name}.toml`);
	return existsSync(file) ? /^PUBLIC_URL = "(.*)"$/m.exec(readFileSync(file, "utf8"))?.[1] : undefined;
}

/** Makes the secrets that the Worker lacks. They are kept before they are used, so that a failure loses none. */
async function missingSecrets(name: string, config: string): Promise<{ made: Partial<Record<SecretName, string>>; file: string | null }> {
	const file = secretsFile(name);
	const kept: Partial<Record<SecretName, string>> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
	const present = await secretsOf(config);
	const missing = SECRET_NAMES.filter((one) => !present.has(one));
	const made = Object.fromEntries(missing.map((one) => [one, kept[one] ?? OWN_SECRETS[one]()]));
	if (missing.length === 0) return { made, file: null };
	mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
	writeFileSync(file, `${JSON.stringify({ ...kept, ...made }, null, "\t")}\n`, { mode: 0o600 });
	chmodSync(file, 0o600);
	return { made, file };
}

/** The names of the secrets that the Worker has; none before its first deployment. */
async function secretsOf(config: string): Promise<ReadonlySet<string>> {
	try {
		const listed = JSON.parse(await wrangler(["secret", "list", "--format", "json", "-c", config])) as { name: string }[];
		return new Set(listed.map(({ name }) => name));
	} catch (error) {
		// The code of Cloudflare's API for a Worker that does not exist.
		if (error instanceof WranglerError && /\b10007\b/.test(error.message)) return new Set();
		throw error;
	}
}

async function deploy(config: string, secrets: Partial<Record<SecretName, string>>): Promise<string> {
	if (Object.keys(secrets).length === 0) return wrangler(["deploy", "-c", config]);
	const file = path.join(FOLDER, `secrets-${randomUUID()}.json`);
	writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
	try {
		return await wrangler(["deploy", "-c", config, "--secrets-file", file]);
	} finally {
		rmSync(file, { force: true });
	}
}

function secretsFile(name: string): string {
	return path.join(FOLDER, `${name}.json`);
}

try {
	await main(optionsOf(process.argv.slice(2)));
} catch (error) {
	if (!(error instanceof WranglerError) && !(error instanceof InputError)) throw error;
	console.error(`windlass: ${error.message}`);
	process.exitCode = 1;
}
