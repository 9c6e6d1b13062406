import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { zstdCompressSync } from "node:zlib";
import { packTar } from "modern-tar";
import { describe, expect, test } from "vitest";
import { lockFolder } from "../../agent/machine/folder_lock.ts";
import type { Job, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, eventually, Program, TestCoordinator, temporaryFolder, workerdsOf } from "../support/processes.ts";

/** Backups of a coordinator that runs, and what is restored from them. */

const PASSPHRASE = "a passphrase that is long";
const RUN = { pipeline: { name: "build", steps: ["echo the log; echo content > file"], artifacts: { save: ["file"] } } };

async function windlass(args: string[], environment: Record<string, string> = {}): Promise<{ code: number | null; output: string }> {
	const program = new Program(args, environment);
	const code = await program.exited;
	return { code, output: program.output };
}

interface Backed {
	coordinator: TestCoordinator;
	folder: string;
	passphrase: string;
}

async function started(): Promise<Backed> {
	const coordinator = await TestCoordinator.start();
	await coordinator.agent("builder", { slots: "2", workDir: path.join(temporaryFolder(), "agent") });
	const folder = temporaryFolder();
	const passphrase = path.join(folder, "passphrase");
	writeFileSync(passphrase, `${PASSPHRASE}\n`);
	return { coordinator, folder, passphrase };
}

async function finished(coordinator: TestCoordinator, run: object = RUN): Promise<Run> {
	const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", run);
	return coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
}

const backUp = ({ coordinator, passphrase }: Backed, file: string, ...more: string[]) =>
	windlass(["backup", file, "--data", coordinator.data, "--passphrase-file", passphrase, "-o", "json", ...more]);

const restore = ({ passphrase }: Backed, file: string, data: string) =>
	windlass(["restore", file, "--data", data, "--passphrase-file", passphrase]);

describe("a backup of a running coordinator", () => {
	test("has all of one moment while jobs go on; restored, everything is there, and no lease of before writes", {
		timeout: 180_000,
	}, async () => {
		const backed = await started();
		const { coordinator, folder } = backed;
		await coordinator.request("/api/v1/secrets/word", { method: "PUT", body: JSON.stringify({ value: "sesame" }) });
		await coordinator.post("/api/v1/projects", { name: "web" });
		const done = await finished(coordinator, { ...RUN, project: "web" });
		const long = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline: { name: "long", steps: ["sleep 5; echo still here"] } });
		await eventually(async () => (await coordinator.get<Run>(`/api/v1/runs/${long.id}`)).state === "running", "the long job");
		// Submissions go on all the time.
		let isOver = false;
		const pauses: number[] = [];
		const submissions = (async () => {
			while (!isOver) {
				const at = performance.now();
				await coordinator.post("/api/v1/runs", { pipeline: { name: "noise", runs_on: ["nobody"], steps: ["true"] } });
				pauses.push(performance.now() - at);
			}
		})();
		const file = path.join(folder, "one.tar.zst");
		const made = await backUp(backed, file);
		isOver = true;
		await submissions;
		expect([made.code, made.output]).toEqual([0, expect.stringContaining('"has_keys": true')]);
		expect(Math.max(...pauses)).toBeLessThan(1_000);
		expect(readFileSync(file).includes("sesame")).toBe(false);
		expect((await coordinator.get<Run>(`/api/v1/runs/${long.id}/wait?timeout=60`)).state).toBe("succeeded");
		await coordinator.program.kill();
		for (const pid of workerdsOf(coordinator.data)) process.kill(pid, "SIGKILL");

		const data = path.join(folder, "restored");
		const told = await restore(backed, file, data);
		expect([told.code, told.output]).toEqual([0, expect.stringContaining("All databases are whole.")]);
		// The agent of before comes back to its address.
		const again = await TestCoordinator.start({ data, port: coordinator.port });
		const run = await again.get<Run>(`/api/v1/runs/${done.id}`);
		expect(run).toMatchObject({ state: "succeeded", project: "web" });
		expect(await again.text(`/api/v1/jobs/${run.jobs[0]?.id}/log`)).toContain("the log");
		expect(await again.text(`/api/v1/jobs/${run.jobs[0]?.id}/artifacts/file`)).toBe("content\n");
		// What ran at that moment has lost its lease, and runs again on the agent that is still there.
		const rerun = await again.get<Run>(`/api/v1/runs/${long.id}/wait?timeout=60`);
		const { attempts } = await again.get<Job>(`/api/v1/jobs/${rerun.jobs[0]?.id}`);
		expect([rerun.state, attempts.map(({ state }) => state)]).toEqual(["succeeded", ["expired", "succeeded"]]);
		expect(attempts[0]?.reason?.text).toMatch(/^The coordinator was restored from a backup of /);
		const secret = await finished(again, { pipeline: { name: "secret", secrets: { WORD: "word" }, steps: ['test "$WORD" = sesame'] } });
		expect(secret.state).toBe("succeeded");
		expect(existsSync(path.join(data, "restored.json"))).toBe(false);
	});

	test("goes on when the backup is killed at any moment, and leaves nothing that looks like a backup", { timeout: 120_000 }, async () => {
		const backed = await started();
		const { coordinator, folder } = backed;
		await finished(coordinator);
		for (const ms of [5, 60, 120, 180, 250]) {
			const program = new Program([
				"backup",
				path.join(folder, "cut.tar.zst"),
				"--data",
				coordinator.data,
				"--passphrase-file",
				backed.passphrase,
			]);
			await new Promise((resolve) => setTimeout(resolve, ms));
			await program.kill();
		}
		expect((await finished(coordinator)).state).toBe("succeeded");
		if (existsSync(path.join(folder, "cut.tar.zst")))
			expect((await restore(backed, path.join(folder, "cut.tar.zst"), path.join(folder, "whole"))).code).toBe(0);
		const left = path.join(folder, "cut.tar.zst.part");
		if (existsSync(left)) expect((await restore(backed, left, path.join(folder, "from-part"))).code).toBe(2);
		const whole = await backUp(backed, path.join(folder, "cut.tar.zst"));
		expect(whole.code).toBe(0);
		// A restoration that is killed leaves nothing in the folder, and the next one does it.
		for (const ms of [150, 300]) {
			const data = path.join(folder, `killed-${ms}`);
			const program = new Program(["restore", path.join(folder, "cut.tar.zst"), "--data", data, "--passphrase-file", backed.passphrase]);
			await new Promise((resolve) => setTimeout(resolve, ms));
			await program.kill();
			if (existsSync(data)) continue;
			expect((await restore(backed, path.join(folder, "cut.tar.zst"), data)).code).toBe(0);
			expect(readdirSync(path.dirname(data)).filter((name) => name.endsWith(".restoring"))).toEqual([]);
		}
	});

	test("without logs and artifacts says that they have expired; a stopped coordinator is backed up, too", {
		timeout: 120_000,
	}, async () => {
		const backed = await started();
		const { coordinator, folder } = backed;
		const done = await finished(coordinator);
		// Its record is in the database by then.
		await eventually(async () => (await coordinator.get<{ outbox_waiting: number }>("/readyz")).outbox_waiting === 0, "the record");
		coordinator.program.signal("SIGTERM");
		await coordinator.program.exited;
		const file = path.join(folder, "small.tar.zst");
		expect((await backUp(backed, file, "--without", "logs,artifacts")).code).toBe(0);
		const data = path.join(folder, "restored");
		expect((await restore(backed, file, data)).output).toContain("without logs and artifacts");
		const again = await TestCoordinator.start({ data });
		const run = await again.get<Run>(`/api/v1/runs/${done.id}`);
		expect(run.state).toBe("succeeded");
		for (const address of ["log", "artifacts/file"])
			expect((await again.request(`/api/v1/jobs/${run.jobs[0]?.id}/${address}`)).status).toBe(410);
		expect((await windlass(["backup", file, "--data", data, "--without", "everything"])).output).toContain("--without everything");
	});
});

describe("a restoration", () => {
	test("refuses what is cut, changed or no backup, another passphrase, and a folder that is not empty", { timeout: 120_000 }, async () => {
		const backed = await started();
		const { coordinator, folder, passphrase } = backed;
		await coordinator.request("/api/v1/secrets/word", { method: "PUT", body: JSON.stringify({ value: "sesame" }) });
		await finished(coordinator);
		const file = path.join(folder, "one.tar.zst");
		await backUp(backed, file);
		const whole = readFileSync(file);
		const attempt = async (name: string, bytes: Uint8Array) => {
			const changed = path.join(folder, name);
			writeFileSync(changed, bytes);
			const data = path.join(folder, `${name}-data`);
			const { code, output } = await restore(backed, changed, data);
			return [code, existsSync(data), existsSync(`${data}.restoring`), output] as const;
		};
		const flipped = Buffer.from(whole);
		flipped.writeUInt8((flipped.readUInt8(Math.floor(whole.length / 2)) + 1) % 256, Math.floor(whole.length / 2));
		const traversal = zstdCompressSync(await packTar([{ header: { name: "storage/../../escaped", size: 1, type: "file" }, body: "x" }]));
		const link = zstdCompressSync(await packTar([{ header: { name: "storage/link", size: 0, type: "symlink", linkname: "/etc/passwd" } }]));
		const empty = zstdCompressSync(await packTar([]));
		for (const [name, bytes] of [
			["cut", whole.subarray(0, Math.floor(whole.length * 0.7))],
			["flipped", flipped],
			["text", Buffer.from("no backup at all")],
			["traversal", traversal],
			["link", link],
			["empty", empty],
		] as const) {
			const [code, hasData, hasScratch, output] = await attempt(name, bytes);
			expect([name, code, hasData, hasScratch, output]).toEqual([
				name,
				2,
				false,
				false,
				expect.stringMatching(/is damaged|is no backup|is not whole/),
			]);
		}
		expect(existsSync(path.join(path.dirname(folder), "escaped"))).toBe(false);
		const wrong = path.join(folder, "wrong");
		writeFileSync(wrong, "another passphrase");
		expect(await restore({ ...backed, passphrase: wrong }, file, path.join(folder, "x"))).toEqual({
			code: 2,
			output: expect.stringContaining("does not open the keys"),
		});
		expect((await windlass(["restore", file, "--data", path.join(folder, "y")])).output).toContain("sealed with a passphrase");
		const used = path.join(folder, "used");
		mkdirSync(used);
		writeFileSync(path.join(used, "something"), "");
		expect(await restore(backed, file, used)).toEqual({ code: 2, output: expect.stringContaining("is not empty") });
		// Another master key would open no secret.
		const other = path.join(folder, "other.key");
		writeFileSync(other, "0".repeat(64));
		const withOther = path.join(folder, "other.tar.zst");
		const refused = await windlass(["backup", withOther, "--data", coordinator.data, "--passphrase-file", passphrase], {
			WINDLASS_MASTER_KEY: "0".repeat(64),
		});
		const unopened = await windlass(["restore", file, "--data", path.join(folder, "v"), "--master-key-file", other]);
		for (const { code, output } of [refused, unopened])
			expect([code, output]).toEqual([2, expect.stringContaining("The master key is not the one")]);
		expect([existsSync(withOther), existsSync(path.join(folder, "v"))]).toEqual([false, false]);
		// A disk of its own is an empty folder that cannot be renamed.
		const disk = path.join(folder, "disk");
		mkdirSync(path.join(disk, "lost+found"), { recursive: true });
		expect((await restore(backed, file, disk)).code).toBe(0);
		expect(readdirSync(disk).sort()).toEqual(["keys.json", "lost+found", "master.key", "restored.json", "storage"]);
		truncateSync(passphrase, 3);
		expect((await backUp(backed, file)).output).toContain("fewer than 12 characters");
		expect((await windlass(["backup", file, "--data", folder])).output).toContain("is not the data folder");
		expect(await windlass(["backup", path.join(folder, "no/o.tar.zst"), "--data", coordinator.data])).toEqual({
			...{ code: 2, output: expect.stringContaining("no/o.tar.zst cannot be written") },
		});
		const lock = path.join(coordinator.data, "backup");
		mkdirSync(lock);
		const running = lockFolder(lock);
		expect((await windlass(["backup", file, "--data", coordinator.data])).output).toContain("Another backup of this folder is being made");
		running.release();
		// The keys can come from elsewhere.
		const key = path.join(coordinator.data, "master.key");
		expect((await windlass(["restore", file, "--data", path.join(folder, "z"), "--master-key-file", key])).code).toBe(0);
	});
});

describe("scheduled backups", () => {
	test("are made beside the coordinator, and the oldest go", { timeout: 200_000 }, async () => {
		const folder = temporaryFolder();
		for (const day of ["01", "02", "03"]) writeFileSync(path.join(folder, `windlass-2026-01-${day}T000000Z.tar.zst`), "old");
		writeFileSync(path.join(folder, "windlass-notes.txt"), "kept");
		// From a clock that was wrong, and from backups that were killed.
		writeFileSync(path.join(folder, "windlass-2199-01-01T000000Z.tar.zst"), "wrong");
		writeFileSync(path.join(folder, "windlass-2026-01-01T000000Z.tar.zst.part"), "part");
		mkdirSync(path.join(folder, "windlass-2026-01-01T000000Z.tar.zst.copies"));
		const coordinator = await TestCoordinator.start({
			args: ["--backup-to", folder, "--backup-every", "1m", "--backup-keep", "2", "--open-metrics"],
			environment: { WINDLASS_BACKUP_PASSPHRASE: PASSPHRASE },
		});
		await coordinator.program.says(/"backup made"/);
		const names = readdirSync(folder).sort();
		expect(names).toEqual([
			...["windlass-2026-01-03T000000Z.tar.zst", expect.stringMatching(/^windlass-20[\dTZ-]+\.tar\.zst$/)],
			...["windlass-2199-01-01T000000Z.tar.zst", "windlass-notes.txt"],
		]);
		const made = names[1] ?? "";
		const passphrase = path.join(folder, "passphrase");
		writeFileSync(passphrase, PASSPHRASE);
		expect(
			(await windlass(["restore", path.join(folder, made), "--data", path.join(folder, "new"), "--passphrase-file", passphrase])).code,
		).toBe(0);
		await eventually(
			async () =>
				(await (await coordinator.request("/metrics", { token: null })).text()).includes("windlass_backup_last_timestamp_seconds "),
			"the metric",
			60_000,
		);
		const short = new Program(["serve", "--backup-to", folder], { WINDLASS_BACKUP_PASSPHRASE: "short" });
		expect([await short.exited, short.output]).toEqual([2, expect.stringContaining("WINDLASS_BACKUP_PASSPHRASE")]);
		const nowhere = new Program(["serve", "--backup-to", "/nowhere"], { WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN });
		expect([await nowhere.exited, nowhere.output]).toEqual([2, expect.stringContaining("--backup-to /nowhere is not a folder")]);
	});
});
