import { Command } from "commander";
import { defaultDataFolder } from "./callers_folder.ts";
import { tokenCommands } from "./commands/tokens.ts";

/** `windlass token`: the tokens of people and programs, and a new admin token for a person with access to the host. */
export function tokenCommand(): Command {
	const reset = new Command("reset-admin")
		.description("Make a new admin token and revoke the former one. Stop the coordinator first.")
		.option("--data <folder>", "the coordinator's data folder", process.env.WINDLASS_DATA ?? defaultDataFolder())
		.addHelpText("after", "\nExample:\n  windlass token reset-admin --data /var/lib/windlass")
		.action(async ({ data }: { data: string }) => {
			// It loads the whole coordinator.
			const { resetAdmin } = await import("./reset_admin.ts");
			process.stdout.write(`${await resetAdmin(data)}\n`);
		});
	const token = new Command("token").description("Manage the tokens of people and programs.");
	for (const one of [...tokenCommands(), reset]) token.addCommand(one);
	return token.addHelpText("after", "\nExample:\n  windlass token create deploy-bot --role developer --projects web --expires-in 90d");
}
