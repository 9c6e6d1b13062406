import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { Rotation, Secret } from "../../schema/wire/secrets.ts";
import { defaultDataFolder } from "../callers_folder.ts";
import { Connection, type ConnectionFlags } from "../connection.ts";
import { DataFolder } from "../coordinator/data_folder.ts";
import { ago, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command } from "./command.ts";

/** `windlass secrets`: values go in and never come out. */

interface Flags extends ConnectionFlags {
	output: string;
	project?: string;
	file?: string;
}

export function secretsCommand(): Command {
	const project = ["--project <name>", "of this project alone; without it every project may have it"] as const;
	return new Command("secrets")
		.description("Keep secrets for jobs.")
		.addHelpText("after", "\nExample:\n  windlass secrets set deploy_key --file ~/.ssh/deploy --project web")
		.addCommand(
			command(
				"set",
				"Keep a secret; its value is read from a file or from standard input.",
				"windlass secrets set token --project web < token.txt",
			)
				.argument("<name>", "what pipelines call it")
				.option(...project)
				.option("--file <file>", "where the value is; without it it is read from standard input, without the newline at its end")
				.action(async (name: string, flags: Flags) => {
					const value = flags.file ? await readValue(flags.file) : (await readInput()).replace(/\r?\n$/, "");
					const json = { value, ...(flags.project ? { project: flags.project } : {}) };
					const secret = await new Connection(flags).json<Secret>(`/api/v1/secrets/${encodeURIComponent(name)}`, { method: "PUT", json });
					if (flags.output === "json") printJson(secret);
					else print(`${secret.name} is kept for ${secret.project ? `the project ${secret.project}` : "every project"}.`);
				}),
		)
		.addCommand(
			command("ls", "List the names of secrets.", "windlass secrets ls --project web")
				.option("--project <name>", "only those that jobs of this project can have")
				.action(async (flags: Flags) => {
					const query = flags.project ? `?${new URLSearchParams({ project: flags.project })}` : "";
					const { items } = await new Connection(flags).json<Page<Secret>>(`/api/v1/secrets${query}`);
					if (flags.output === "json") return printJson(items);
					if (items.length === 0) return print("There is none yet: windlass secrets set <name>");
					print(table([["name", "project", "set"], ...items.map((one) => [one.name, one.project ?? "(every)", ago(one.updated_at)])]));
				}),
		)
		.addCommand(
			command("rm", "Remove a secret.", "windlass secrets rm deploy_key --project web")
				.argument("<name>", "which")
				.option(...project)
				.action(async (name: string, flags: Flags) => {
					const query = flags.project ? `?${new URLSearchParams({ project: flags.project })}` : "";
					await new Connection(flags).send(`/api/v1/secrets/${encodeURIComponent(name)}${query}`, { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: name });
					else print(`${name} is removed.`);
				}),
		)
		.addCommand(
			new Command("new-master-key")
				.description("Make another master key in the coordinator's data folder. The coordinator must be stopped; its next start uses it.")
				.option("--data <folder>", "the coordinator's data folder", process.env.WINDLASS_DATA ?? defaultDataFolder())
				.addHelpText("after", "\nExample:\n  windlass secrets new-master-key --data /var/lib/windlass")
				.action(({ data: folder }: { data: string }) => {
					if (!existsSync(path.join(folder, "keys.json")))
						throw new UsageError(`--data: ${folder} is not the data folder of a coordinator`);
					const data = DataFolder.open(folder);
					try {
						data.replaceMasterKey();
					} finally {
						data.close();
					}
					print("There is a new master key. The next start of the coordinator encrypts every secret with it.");
				}),
		)
		.addCommand(
			command("rotate", "Encrypt every secret anew, with a new key.", "windlass secrets rotate").action(async (flags: Flags) => {
				const { secrets } = await new Connection(flags).json<Rotation>("/api/v1/secrets/rotate", { method: "POST", json: {} });
				if (flags.output === "json") printJson({ secrets });
				else print(secrets === 1 ? "One secret is encrypted anew." : `${secrets} secrets are encrypted anew.`);
			}),
		);
}

async function readValue(file: string): Promise<string> {
	try {
		return await readFile(file, "utf8");
	} catch (error) {
		throw new UsageError(`--file: ${file} cannot be read: ${(error as Error).message}`);
	}
}

async function readInput(): Promise<string> {
	if (process.stdin.isTTY) process.stderr.write("The value, then Ctrl-D:\n");
	const chunks: Buffer[] = [];
	for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks).toString("utf8");
}
