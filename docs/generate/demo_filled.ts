import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import path from "node:path";

/** A coordinator with the content of the demo. */
export interface FilledDemo {
	url: string;
	/** Its admin token. */
	token: string;
	stop(): Promise<void>;
}

/** Starts `windlass demo --content` and waits until it is full, which takes most of a minute. */
export async function demoFilled(): Promise<FilledDemo> {
	const token = `wlu_${randomBytes(24).toString("base64url")}`;
	const program = path.resolve(import.meta.dirname, "../../cli/bootstrap.mjs");
	const child = spawn(process.execPath, [program, "demo", "--content"], {
		env: { ...process.env, WINDLASS_ADMIN_TOKEN: token },
		stdio: ["ignore", "pipe", "inherit"],
	});
	const url = await new Promise<string>((resolve, reject) => {
		let output = "";
		child.stdout.on("data", (chunk) => {
			output += chunk;
			const [, found] = /status page +(http\S+)/.exec(output) ?? [];
			if (found) resolve(found);
		});
		child.once("exit", () => reject(new Error(`the demo has ended:\n${output}`)));
	});
	return {
		url,
		token,
		async stop() {
			const ended = once(child, "exit");
			child.kill("SIGINT");
			await ended;
		},
	};
}
