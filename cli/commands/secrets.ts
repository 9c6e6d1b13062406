import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "commander";
import type { Page } from "../../schema/wire/resources.ts";
import type { Rotation, Secret } from "../../schema/wire/secrets.ts";
import { defaultDataFolder } from "../callers_folder.ts";
import { Connection } from "../connection.ts";
import { DataFolder } from "../coordinator/data_folder.ts";
import { ago, counted, print, printJson, table } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { command, type Flags } from "./command.ts";

/** `windlass secrets`: sets secrets. A value is never shown again. */

interface SecretFlags extends Flags {
	project?: string;
	file?: string;
}

export function secretsCommand(): Command {
	const project = ["--project <name>", "the project whose jobs may use it (default: every project)"] as const;
	return new Command("secrets")
		.description("Manage the secrets of jobs.")
		.addHelpText("after", "\nExample:\n  windlass secrets set deploy_key --file ~/.ssh/deploy --project web")
		.addCommand(
			command(
				"set",
				"Set a secret. Its value comes from a file or from standard input.",
				"windlass secrets set token --project web < token.txt",
			)
				.argument("<name>", "the name of the secret in pipelines")
				.option(...project)
				.option("--file <file>", "the file with the value (default: standard input, without its last newline)")
				.action(async (name: string, flags: SecretFlags) => {
					const value = flags.file ? await readValue(flags.file) : (await readInput()).replace(/\r?\n$/, "");
					const json = { value, ...(flags.project ? { project: flags.project } : {}) };
					const secret = await new Connection(flags).json<Secret>(`/api/v1/secrets/${encodeURIComponent(name)}`, { method: "PUT", json });
					if (flags.output === "json") printJson(secret);
					else print(`Secret ${secret.name} is set for ${secret.project ? `project ${secret.project}` : "every project"}.`);
				}),
		)
		.addCommand(
			command("ls", "List the names of the secrets.", "windlass secrets ls --project web")
				.option("--project <name>", "only secrets that jobs of this project may use")
				.action(async (flags: SecretFlags) => {
					const query = flags.project ? `?${new URLSearchParams({ project: flags.project })}` : "";
					const { items } = await new Connection(flags).json<Page<Secret>>(`/api/v1/secrets${query}`);
					if (flags.output === "json") return printJson(items);
					if (items.length === 0) return print("There is no secret yet. Set one: windlass secrets set <name>");
					print(
						table([["name", "project", "set"], ...items.map((one) => [one.name, one.project ?? "every project", ago(one.updated_at)])]),
					);
				}),
		)
		.addCommand(
			command("rm", "Remove a secret.", "windlass secrets rm deploy_key --project web")
				.argument("<name>", "the name of the secret")
				.option(...project)
				.action(async (name: string, flags: SecretFlags) => {
					const query = flags.project ? `?${new URLSearchParams({ project: flags.project })}` : "";
					await new Connection(flags).send(`/api/v1/secrets/${encodeURIComponent(name)}${query}`, { method: "DELETE" });
					if (flags.output === "json") printJson({ removed: name });
					else print(`Secret ${name} is removed.`);
				}),
		)
		.addCommand(
			new Command("new-master-key")
				.description(
					"Make a new master key in the coordinator's data folder. Stop the coordinator first. Its next start encrypts every secret with the new key.",
				)
				.option("--data <folder>", "the coordinator's data folder", process.env.WINDLASS_DATA ?? defaultDataFolder())
				.addHelpText("after", "\nExample:\n  windlass secrets new-master-key --data /var/lib/windlass")
				.action(({ data: folder }: { data: string }) => {
					if (!existsSync(path.join(folder, "keys.json")))
						throw new UsageError(`${folder} is not the data folder of a coordinator. Name it with --data.`);
					const data = DataFolder.open(folder);
					try {
						data.replaceMasterKey();
					} finally {
						data.close();
					}
					print("The data folder has a new master key. The next start of the coordinator encrypts every secret with it.");
				}),
		)
		.addCommand(
			command("rotate", "Encrypt every secret again, with a new data key.", "windlass secrets rotate").action(async (flags: Flags) => {
				const { secrets } = await new Connection(flags).json<Rotation>("/api/v1/secrets/rotate", { method: "POST", json: {} });
				if (flags.output === "json") printJson({ secrets });
				else print(`${counted(secrets, "secret")} encrypted with a new key.`);
			}),
		);
}

async function readValue(file: string): Promise<string> {
	try {
		return await readFile(file, "utf8");
	} catch (error) {
		throw new UsageError(`--file: ${file} is not readable: ${(error as Error).message}`);
	}
}

async function readInput(): Promise<string> {
	if (process.stdin.isTTY) process.stderr.write("Type the value, then Ctrl-D:\n");
	const chunks: Buffer[] = [];
	for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks).toString("utf8");
}
