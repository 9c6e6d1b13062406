import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Run, SubmittedRun } from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, Program, TestCoordinator, temporaryFolder, testPort } from "../support/processes.ts";

/** The packages that npm installs, on a machine without a clone. */

const ROOT = path.resolve(import.meta.dirname, "../..");
let folder: string;

/** Without the project's own Node: npm reads the settings of this machine beside the Node that runs it. */
const PATH = (process.env.PATH ?? "")
	.split(path.delimiter)
	.filter((one) => !one.includes("node_modules"))
	.join(path.delimiter);

const npm = (args: string[], cwd: string) =>
	execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"], {
		...{ cwd, encoding: "utf8", stdio: "pipe", timeout: 150_000 },
		env: { ...process.env, PATH },
	});

/** How much a folder takes, in bytes. */
const sizeOf = (where: string) =>
	readdirSync(where, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);

/** Makes a package as on a fresh clone, and installs it alone. @returns the folder of its installation */
function installed(name: string, pack: (clone: string) => void): string {
	const clone = path.join(folder, `clone-${name}`);
	const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" })
		.split("\0")
		.filter(Boolean);
	for (const file of files) cpSync(path.join(ROOT, file), path.join(clone, file));
	symlinkSync(path.join(ROOT, "node_modules"), path.join(clone, "node_modules"));
	pack(clone);
	const tarball = readdirSync(clone).find((one) => one.endsWith(".tgz")) ?? "";
	const where = path.join(folder, name);
	mkdirSync(where);
	writeFileSync(path.join(where, "package.json"), "{}");
	npm(["install", path.join(clone, tarball)], where);
	return where;
}

beforeAll(() => {
	const cleanups: (() => void | Promise<void>)[] = [];
	folder = temporaryFolder((clean) => void cleanups.push(clean));
	return async () => {
		for (const clean of cleanups) await clean();
	};
});

describe("the package of the agent", () => {
	test("is small, brings no coordinator, and runs jobs with caches and YAML", { timeout: 180_000 }, async () => {
		const where = installed("windlass-agent", (clone) => execFileSync(process.execPath, ["cli/build_agent.mjs"], { cwd: clone }));
		expect(sizeOf(path.join(where, "node_modules"))).toBeLessThan(25 * 1024 ** 2);
		expect(
			readdirSync(path.join(where, "node_modules"))
				.filter((name) => !name.startsWith("."))
				.sort(),
		).toEqual(["windlass-agent", "yaml"]);
		const main = path.join(where, "node_modules/windlass-agent/dist/main.js");
		const unit = execFileSync(process.execPath, [main, "service", "install", "agent", "--print"], { encoding: "utf8" });
		expect(unit).toMatch(/^ExecStart=\S+ \S+\/dist\/main\.js --work-dir \/var\/lib\/windlass-agent$/m);
		const coordinator = await TestCoordinator.start();
		const config = path.join(folder, "agent.yaml");
		writeFileSync(config, "labels: packaged\nslots: 2\n");
		const agent = new Program(
			["--server", coordinator.url, "--name", "small", "--work-dir", path.join(folder, "work"), "--config", config],
			{ WINDLASS_TOKEN: await coordinator.registrationToken() },
			[process.execPath, main],
		);
		onTestFinished(() => agent.kill());
		await agent.says(/is ready at/);
		const jobs = {
			save: {
				runs_on: ["packaged"],
				cache: [{ key: "k", paths: ["kept"] }],
				steps: ["mkdir -p kept; echo content > kept/file; windlass output word=sesame"],
			},
		};
		const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline: { name: "small", jobs } });
		expect((await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).state).toBe("succeeded");
	});
});

describe("the package of the coordinator", () => {
	test("serves from where it is installed, and a job runs", { timeout: 300_000 }, async () => {
		const where = installed("windlass", (clone) => npm(["pack", "--silent"], clone));
		const main = path.join(where, "node_modules/windlass/dist/cli/main.js");
		const [data, port] = [path.join(folder, "data"), testPort()];
		const program = new Program(["serve", "--port", port, "--data", data], { WINDLASS_ADMIN_TOKEN: ADMIN_TOKEN }, [process.execPath, main]);
		onTestFinished(async () => {
			program.signal("SIGTERM");
			await program.exited;
		});
		const [, url = ""] = await program.says(/status page +(http\S+)/);
		const ask = async <Body>(address: string, init: RequestInit = {}) =>
			(await (await fetch(url + address, { ...init, headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })).json()) as Body;
		const { id } = await ask<SubmittedRun>("/api/v1/runs", {
			method: "POST",
			body: JSON.stringify({ pipeline: { name: "a", steps: ["echo hi"] } }),
		});
		expect((await ask<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).state).toBe("succeeded");
	});
});

describe("an older Node", () => {
	test.each(["20.11.1", "22.18.0"])("%s: the program says in one sentence what it needs", async (version) => {
		const preload = path.join(folder, `node-${version}.cjs`);
		writeFileSync(preload, `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`);
		const program = new Program(["serve"], {}, [process.execPath, "--require", preload, path.join(ROOT, "dist/cli/main.js")]);
		expect([await program.exited, program.output]).toEqual([2, `windlass: Node ${version} is too old. Install version 22.19 or later.\n`]);
	});
});
