import { Command, Option } from "commander";
import { EXIT } from "../exit_codes.ts";
import { UsageError } from "../usage_error.ts";

interface DemoFlags {
	content?: true;
	data?: string;
	port?: string;
}

/** `windlass demo`: the bundled example once, or a coordinator that has much to show. */
export function demoCommand(setExitCode: (code: number) => void): Command {
	return new Command("demo")
		.description(
			"Run the bundled example once, with a coordinator and an agent in a temporary folder. The folder is deleted at the end. With --content, serve a coordinator with five projects, about 130 runs and six agents until Ctrl-C.",
		)
		.addOption(new Option("--content", "serve a coordinator that is full of runs, agents and projects"))
		.addOption(new Option("--data <folder>", "with --content: keep everything in this folder, and serve it again next time"))
		.addOption(new Option("--port <n>", "with --content: the port to listen on (default: any free one)"))
		.addHelpText("after", "\nExample:\n  windlass demo\n  windlass demo --content --port 7070")
		.action(async (flags: DemoFlags) => setExitCode(await demo(flags)));
}

/** Loads only the code that it needs. */
async function demo({ content, data, port }: DemoFlags): Promise<number> {
	if (content) {
		const { serveContent } = await import("./content.ts");
		await serveContent(data ?? null, readPort(port ?? "0"));
		return EXIT.succeeded;
	}
	if (data !== undefined || port !== undefined) throw new UsageError("--data and --port need --content.");
	return (await import("./example_run.ts")).runExampleOnce();
}

function readPort(text: string): number {
	const port = Number(text);
	if (/^\d+$/.test(text) && port <= 65_535) return port;
	throw new UsageError(`--port must be a whole number from 0 to 65535, not ${text}`);
}
