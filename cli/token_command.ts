import { randomBytes } from "node:crypto";
import path from "node:path";
import { Command } from "commander";
import { defaultDataFolder } from "./callers_folder.ts";
import { newAdminToken, replaceAdminToken } from "./coordinator/admin_token.ts";
import { DataFolder } from "./coordinator/data_folder.ts";
import { Database, migrateDatabase } from "./coordinator/database.ts";
import { DISTRIBUTION } from "./coordinator/distribution.ts";
import { endOrphans, Host } from "./coordinator/host.ts";
import { NO_OUTBOUND, Outbound } from "./coordinator/outbound.ts";

const EXAMPLE = "\nExample:\n  windlass token reset-admin --data /var/lib/windlass";

/** `windlass token reset-admin`: a new admin token for a person with access to the host. */
export function tokenCommand(): Command {
	const reset = new Command("reset-admin")
		.description("Make a new admin token and revoke the former one. Stop the coordinator first.")
		.option("--data <folder>", "the coordinator's data folder", process.env.WINDLASS_DATA ?? defaultDataFolder())
		.addHelpText("after", EXAMPLE)
		.action(async ({ data: folder }: { data: string }) => {
			const data = DataFolder.open(folder);
			const token = newAdminToken();
			const secret = randomBytes(32).toString("hex");
			endOrphans(data.path);
			const host = await Host.start({
				distribution: DISTRIBUTION,
				storage: data.storage,
				socket: null,
				mark: data.path,
				bindings: { HOST_SECRET: secret },
				outbound: new Outbound(NO_OUTBOUND),
				onLog: (text) => process.stderr.write(`${text}\n`),
				onRestart: () => undefined,
			});
			try {
				const database = new Database(host, secret);
				await migrateDatabase(database, path.join(DISTRIBUTION, "migrations"));
				await replaceAdminToken(database, token);
			} finally {
				await host.stop();
				data.close();
			}
			process.stdout.write(`${token}\n`);
		});
	return new Command("token").description("Manage the tokens of people.").addCommand(reset).addHelpText("after", EXAMPLE);
}
