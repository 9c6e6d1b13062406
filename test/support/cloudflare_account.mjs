// Stands in for wrangler with an account at Cloudflare, which no test can reach: it keeps what was
// made in the file of ACCOUNT, and answers as wrangler 4 does. FAILS_AT names a command that fails.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const args = process.argv.slice(2);
const file = process.env.ACCOUNT;
const account = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { calls: [], databases: [], buckets: [], workers: {} };
const command = args
	.filter((arg) => /^[a-z0-9]+$/.test(arg))
	.slice(0, 3)
	.join(" ");
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const config = option("-c");
const named = (key) => (config ? (new RegExp(`^${key} = "(.*)"$`, "m").exec(readFileSync(config, "utf8"))?.[1] ?? "") : "");
account.calls.push(args.map((arg) => arg.replace(/.*\//, "")).join(" "));
const save = () => writeFileSync(file, JSON.stringify(account));
save();
const fail = (message) => {
	console.error(message);
	process.exit(1);
};

if (process.env.FAILS_AT && command.startsWith(process.env.FAILS_AT)) fail("A request to the Cloudflare API failed.");
const start = (prefix) => args.join(" ").startsWith(prefix);
if (start("d1 list")) console.log(JSON.stringify(account.databases));
else if (start("d1 create"))
	account.databases.push({ name: args[2], uuid: `d1000000-0000-4000-8000-00000000000${account.databases.length}` });
else if (start("d1 migrations apply")) account.migrated = named("database_id");
else if (start("r2 bucket list"))
	console.log(account.buckets.map((name) => `name:           ${name}\ncreation_date:  2026-01-01\n`).join("\n"));
else if (start("r2 bucket create")) account.buckets.push(args[3]);
else if (start("secret list")) {
	const worker = account.workers[named("name")];
	if (!worker) fail(`Worker "${named("name")}" not found. [code: 10007]`);
	console.log(JSON.stringify(Object.keys(worker.secrets).map((name) => ({ name, type: "secret_text" }))));
} else if (start("deploy")) {
	const secrets = option("--secrets-file");
	const worker = account.workers[named("name")] ?? { secrets: {}, versions: 0 };
	Object.assign(worker.secrets, secrets ? JSON.parse(readFileSync(secrets, "utf8")) : {});
	account.workers[named("name")] = {
		...worker,
		versions: worker.versions + 1,
		database: named("database_id"),
		bucket: named("bucket_name"),
	};
	console.log(`Uploaded ${named("name")}\n  https://${named("name")}.example.workers.dev`);
} else fail(`unknown command ${args.join(" ")}`);
save();
