import { randomBytes } from "node:crypto";
import path from "node:path";
import { newAdminToken, replaceAdminToken } from "./coordinator/admin_token.ts";
import { DataFolder } from "./coordinator/data_folder.ts";
import { Database, migrateDatabase } from "./coordinator/database.ts";
import { DISTRIBUTION } from "./coordinator/distribution.ts";
import { endOrphans, Host } from "./coordinator/host.ts";
import { NO_OUTBOUND, Outbound } from "./coordinator/outbound.ts";

/**
 * Makes a new admin token in a data folder, and revokes the former one.
 * @returns the token
 * @throws Error while a coordinator uses the folder
 */
export async function resetAdmin(folder: string): Promise<string> {
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
	return token;
}
