import { Command } from "commander";
import { defaultDataFolder } from "./callers_folder.ts";
import { DataFolder } from "./coordinator/data_folder.ts";
import { UsageError } from "./usage_error.ts";

const EXAMPLE = "\nExample:\n  windlass keys rotate --data /var/lib/windlass";

/** `windlass keys rotate`: replaces a signing key that somebody else may have read. */
export function keysCommand(): Command {
	const rotate = new Command("rotate")
		.description("Make a new signing key. Stop the coordinator first. Leases of the former key stay valid until they end.")
		.option("--data <folder>", "the coordinator's data folder", process.env.WINDLASS_DATA ?? defaultDataFolder())
		.addHelpText("after", EXAMPLE)
		.action(({ data: folder }: { data: string }) => {
			if (!DataFolder.isThere(folder)) throw new UsageError(`${folder} is not the data folder of a coordinator. Name it with --data.`);
			const data = DataFolder.open(folder);
			try {
				data.replaceSigningKey();
			} finally {
				data.close();
			}
			process.stdout.write("The coordinator has a new signing key. Start the coordinator; running jobs keep their leases.\n");
		});
	return new Command("keys").description("Manage the keys of the coordinator.").addCommand(rotate).addHelpText("after", EXAMPLE);
}
