import { Command } from "commander";
import { defaultDataFolder } from "./callers_folder.ts";
import { DataFolder } from "./coordinator/data_folder.ts";
import { UsageError } from "./usage_error.ts";

const EXAMPLE = "\nExample:\n  windlass keys rotate --data /var/lib/windlass";

/** `windlass keys rotate`: for a signing key that somebody else may have seen. */
export function keysCommand(): Command {
	const rotate = new Command("rotate")
		.description("Make a new signing key. The coordinator must be stopped; leases of the old key are honored until they end.")
		.option("--data <folder>", "the coordinator's data folder", process.env.WINDLASS_DATA ?? defaultDataFolder())
		.addHelpText("after", EXAMPLE)
		.action(({ data: folder }: { data: string }) => {
			if (!DataFolder.isThere(folder)) throw new UsageError(`there is no coordinator's data in ${folder}; name its folder with --data`);
			const data = DataFolder.open(folder);
			try {
				data.replaceSigningKey();
			} finally {
				data.close();
			}
			process.stdout.write("There is a new signing key. Start the coordinator; jobs that run go on with the leases that they have.\n");
		});
	return new Command("keys").description("Keys of the coordinator.").addCommand(rotate).addHelpText("after", EXAMPLE);
}
