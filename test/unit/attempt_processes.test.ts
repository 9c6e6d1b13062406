import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { AttemptProcesses, MARKER } from "../../agent/processes/attempt_processes.ts";
import { temporaryFolder } from "../support/processes.ts";

const GRACE_MS = 5_000;

/** A process in a group and a session of its own. */
async function started(options: { cwd: string; env: Record<string, string> }, command = ["sleep", "987"]): Promise<ChildProcess> {
	const [program = "", ...args] = command;
	const child = spawn(program, args, { ...options, detached: true, stdio: "ignore" });
	onTestFinished(() => void child.kill("SIGKILL"));
	await new Promise((resolve) => child.once("spawn", resolve));
	return child;
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
const PATH = { PATH: process.env.PATH ?? "" };

describe.runIf(process.platform === "linux")("the processes of an attempt", () => {
	test("are found outside of its groups: by the variable that they inherit, or by their working directory", async () => {
		const folder = temporaryFolder();
		mkdirSync(path.join(folder, "workspace"));
		const processes = AttemptProcesses.begin("att_unit", folder, null);
		const marked = await started({ cwd: "/", env: { ...PATH, [MARKER]: "att_unit" } });
		const inside = await started({ cwd: path.join(folder, "workspace"), env: PATH });
		const other = await started({ cwd: "/", env: { ...PATH, [MARKER]: "att_unit2" } });
		const ends = Promise.all([ended(marked), ended(inside)]);
		await processes.endAll(GRACE_MS);
		expect(await ends).toEqual(["SIGTERM", "SIGTERM"]);
		expect(other.exitCode ?? other.signalCode).toBe(null);
	});

	test("are found after many others have started", async () => {
		const processes = AttemptProcesses.begin("att_many", temporaryFolder(), null);
		const marked = await started({ cwd: "/", env: { ...PATH, [MARKER]: "att_many" } });
		const many = await started({ cwd: "/", env: PATH }, ["sh", "-c", "for i in $(seq 200); do /bin/true; done"]);
		await ended(many);
		const end = ended(marked);
		await processes.endAll(GRACE_MS);
		expect(await end).toBe("SIGTERM");
	});

	test("that start after all have ended are ended as well, once they are added", async () => {
		const processes = AttemptProcesses.begin("att_late", temporaryFolder(), null);
		await processes.endAll(GRACE_MS);
		const late = await started({ cwd: "/", env: PATH });
		processes.add(late.pid as number);
		const end = ended(late);
		await processes.endAll(GRACE_MS);
		expect(await end).toBe("SIGTERM");
	});

	test("of an earlier life of the agent are found among all", async () => {
		const folder = temporaryFolder();
		const old = await started({ cwd: folder, env: PATH });
		const end = ended(old);
		await AttemptProcesses.left("att_old", folder).endAll(GRACE_MS);
		expect(await end).toBe("SIGTERM");
	});
});
