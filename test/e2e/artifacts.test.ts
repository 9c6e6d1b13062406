import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as resources from "../../schema/wire/resources.ts";
import {
	ADMIN_TOKEN,
	eventually,
	isMemoryTold,
	Program,
	residentMib,
	type TestCoordinator,
	temporaryFolder,
	workerdsOf,
} from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
let agent: Program;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
	agent = await coordinator.agent("saver");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function saved(steps: unknown[], save: unknown[], at = coordinator): Promise<{ job: resources.Job; items: resources.Artifact[] }> {
	const { id } = await at.post<resources.Run>("/api/v1/runs", { pipeline: { steps, artifacts: { save } } });
	const run = resources.run.parse(await at.get(`/api/v1/runs/${id}/wait?timeout=120`));
	const job = run.jobs[0] as resources.Job;
	const { items } = await at.get<{ items: unknown[] }>(`/api/v1/jobs/${job.id}/artifacts`);
	return { job, items: items.map((item) => resources.artifact.parse(item)) };
}

async function windlass(args: string[]): Promise<{ code: number | null; out: string }> {
	const program = new Program(args, { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN, NO_COLOR: "1" });
	const code = await program.exited;
	return { code, out: program.output };
}

async function digestOf(response: Response): Promise<string> {
	const hash = createHash("sha256");
	for await (const chunk of Readable.fromWeb(response.body as import("node:stream/web").ReadableStream)) hash.update(chunk);
	return hash.digest("hex");
}

describe("artifacts", () => {
	test("400 MiB go up and down, and need no more memory than a quarter of that", async () => {
		const pids = [workerdsOf(coordinator.data)[0] as number, coordinator.program.pid, agent.pid];
		/** Saves a file of so many bytes and downloads it; the most that each process had resident meanwhile. */
		const peaks = async (bytes: number): Promise<number[]> => {
			const most = pids.map(residentMib);
			const watch = setInterval(() => {
				for (const [index, pid] of pids.entries()) most[index] = Math.max(most[index] as number, residentMib(pid));
			}, 100);
			const random = `head -c ${bytes} /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 > big.bin 2>/dev/null`;
			const { job, items } = await saved([random], ["big.bin"]);
			expect([job.state, items.map(({ path, size }) => [path, size])]).toEqual(["succeeded", [["big.bin", bytes]]]);
			expect(await digestOf(await coordinator.request((items[0] as resources.Artifact).url))).toBe(items[0]?.sha256);
			clearInterval(watch);
			return most;
		};
		const before = await peaks(100 * 2 ** 20);
		const growth = (await peaks(400 * 2 ** 20)).map((mib, index) => mib - (before[index] as number));
		if (isMemoryTold)
			expect(
				growth.every((mib) => mib < 100),
				`workerd, host, agent have grown by ${growth} MiB`,
			).toBe(true);
	}, 150_000);

	test("two thousand small files, in Unicode, with blanks and quotes; executable ones stay so; all as one zip", async () => {
		const names = ['a "quoted" name', "it's", "ünï cödé 日本語", "per%cent&and?mark#hash", "deep/er/and deeper/x"];
		const steps = [
			{ run: "import os\nos.makedirs('out/many')\nfor i in range(2000): open(f'out/many/{i}.txt','w').write(str(i))", shell: "python3" },
			...names.map(
				(name) => `mkdir -p "$(dirname 'out/x')" out/deep/er/"and deeper"; printf %s data > out/'${name.replaceAll("'", "'\\''")}'`,
			),
			"printf '#!/bin/sh\\necho it runs\\n' > out/tool; chmod +x out/tool",
		];
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", { pipeline: { steps, artifacts: { save: ["out/**"] } } });
		const { jobs, state } = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
		const jobId = (jobs[0] as resources.Job).id;
		const { items } = await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${jobId}/artifacts`);
		expect([state, items.length]).toEqual(["succeeded", 2006]);
		for (const name of names) {
			const item = items.find((one) => one.path === `out/${name}`) as resources.Artifact;
			const response = await coordinator.request(item.url);
			expect([await response.text(), response.headers.get("content-disposition")]).toEqual([
				"data",
				expect.stringContaining("filename*=UTF-8''"),
			]);
		}
		expect(items.filter(({ executable }) => executable).map((item) => item.path)).toEqual(["out/tool"]);

		const folder = temporaryFolder();
		const response = await coordinator.request(`/api/v1/jobs/${jobId}/artifacts.zip`);
		const zip = Buffer.from(await response.arrayBuffer());
		expect(response.headers.get("content-length")).toBe(String(zip.byteLength));
		writeFileSync(path.join(folder, "all.zip"), zip);
		mkdirSync(path.join(folder, "out"));
		execFileSync(
			"python3",
			[
				"-c",
				"import zipfile,os,sys\nz=zipfile.ZipFile('all.zip')\nassert z.testzip() is None\nfor i in z.infolist():\n  p=z.extract(i)\n  os.chmod(p,i.external_attr>>16)",
			],
			{ cwd: folder },
		);
		for (const name of names) expect(readFileSync(path.join(folder, "out", name), "utf8")).toBe("data");
		expect(statSync(path.join(folder, "out/tool")).mode & 0o777).toBe(0o755);
		expect(execFileSync(path.join(folder, "out/tool"), { encoding: "utf8" })).toBe("it runs\n");
		expect(readFileSync(path.join(folder, "out/many/1999.txt"), "utf8")).toBe("1999");
	});

	test("links that lead out of the workspace are rejected; those within are followed", async () => {
		const out = await saved(["ln -s /etc/hostname out.txt"], ["*.txt"]);
		expect([out.job.state, out.job.reason?.code, out.items]).toEqual(["failed", "artifacts_failed", []]);
		expect(out.job.reason?.text).toContain("out.txt is a link out of the workspace");
		const within = await saved(["echo real > real.txt; ln -s real.txt link.txt"], ["link.txt"]);
		expect([within.job.state, within.items.map((item) => item.path)]).toEqual(["succeeded", ["link.txt"]]);
	});

	test("a file whose name cannot be saved is left out and named in escaped form; every other file is saved, and the job fails for that reason", async () => {
		const script = `import os
for name in [b'a\\nb.txt', b'back\\\\slash.txt', b'caf\\xe9.txt', b'turn\\xe2\\x80\\xae.txt', b'ok.txt']: open(name, 'w').write('x')
os.symlink('/etc/hostname', 'out.txt')
os.makedirs(b'd\\xff'); open(b'd\\xff/inner.txt', 'w').write('x')`;
		const { job, items } = await saved([{ run: script, shell: "python3" }], ["**"]);
		expect([job.state, job.reason?.code, items.map(({ path }) => path)]).toEqual([
			"failed",
			"artifacts_failed",
			["ok.txt", "turn\u202e.txt"],
		]);
		const log = await coordinator.text(`/api/v1/jobs/${job.id}/log?format=clean`);
		for (const line of [
			':: not saved: "a\\nb.txt" has a line break in its name',
			':: not saved: "back\\\\slash.txt" has a backslash in its name',
			':: not saved: "caf\\xe9.txt" has a name that is not UTF-8',
			':: not saved: "d\\xff/inner.txt" has a name that is not UTF-8',
			":: not saved: out.txt is a link out of the workspace",
			':: saved "turn\\u202e.txt" (1 bytes)',
		])
			expect(log).toContain(`${line}\n`);
		expect(job.reason?.text).toMatch(/^5 files were not saved: .+ \(and 2 more\)\. Rename or remove them\.$/);
	});

	test("patterns with escapes name files whose names look like patterns", async () => {
		const steps = ['mkdir -p "app/[id]"; echo 1 > "app/[id]/page.js"; echo 4 > "out (1).txt"'];
		const { job, items } = await saved(steps, ["app/\\[id\\]/page.js", "out \\(1\\).txt"]);
		expect([job.state, items.map(({ path }) => path)]).toEqual(["succeeded", ["app/[id]/page.js", "out (1).txt"]]);
	});

	test("entries of save have a name with a zip of its own, must match or need not, and are deleted when their time is over", async () => {
		const save = [
			{ paths: ["site/**", "!site/drafts"], name: "site", required: true, expire_in: "1s" },
			{ paths: "*.log", name: "logs" },
			{ paths: "nothing", required: false },
			"**/*.txt",
		];
		const { job, items } = await saved(["mkdir -p site/drafts; touch site/a.txt site/drafts/b.txt c.txt d.log"], save);
		expect([job.state, items.map(({ path, name, expires_at }) => [path, name, expires_at !== null])]).toEqual([
			"succeeded",
			[
				["c.txt", null, false],
				["d.log", "logs", false],
				["site/a.txt", "site", true],
				["site/drafts/b.txt", null, false],
			],
		]);
		const zip = await coordinator.request(`/api/v1/jobs/${job.id}/artifacts.zip?name=logs`);
		expect(zip.headers.get("content-disposition")).toContain(`${job.id}-logs.zip`);
		const bytes = Buffer.from(await zip.arrayBuffer()).toString("latin1");
		expect([bytes.includes("d.log"), bytes.includes("c.txt")]).toEqual([true, false]);
		expect((await coordinator.request(`/api/v1/jobs/${job.id}/artifacts.zip?name=nosuch`)).status).toBe(404);
		expect(await coordinator.text(`/jobs/${job.id}?tab=artifacts`)).toContain("artifacts.zip?name=logs");

		const into = temporaryFolder();
		const got = await windlass(["artifacts", "get", job.id, "--name", "logs", "-C", into]);
		expect([got.code, readdirSync(into)]).toEqual([0, ["d.log"]]);

		await eventually(
			async () => (await coordinator.post<{ artifacts: number }>("/api/v1/retention/sweep", {})).artifacts === 1,
			"its time",
		);
		const listed = await windlass(["artifacts", "ls", job.id]);
		expect(listed.out).toMatch(/site\/a\.txt +0 bytes +site +expired 2/);
		expect(listed.out).toMatch(/d\.log +0 bytes +logs/);
		const gone = await coordinator.request(`/api/v1/jobs/${job.id}/artifacts.zip?name=site`);
		expect([gone.status, ((await gone.json()) as { suggestions: string[] }).suggestions]).toEqual([
			410,
			["Rerun the job, or set a longer expire_in in the pipeline."],
		]);
		expect(await coordinator.text(`/jobs/${job.id}?tab=artifacts`)).toMatch(/<s title="expired and deleted at [^>]+>site\/a.txt<\/s>/);

		const missing = await saved(["touch here"], [{ paths: ["dist/**", "build"], required: true }, "here"]);
		expect([missing.job.state, missing.job.reason?.code, missing.items.map(({ path }) => path)]).toEqual([
			"failed",
			"artifacts_failed",
			["here"],
		]);
		expect(missing.job.reason?.text).toBe("No file matches dist/**, build, which the job must save (required).");
	});

	test("an upload whose connection is cut, or whose answer is lost, is made again: part by part", async () => {
		const flaky = await flakyProxy(coordinator.url);
		const at = await coordinator.agent("unlucky", { args: ["--labels", "unlucky", "--server", flaky.url] });
		const { id } = await coordinator.post<resources.Run>("/api/v1/runs", {
			pipeline: {
				runs_on: ["unlucky"],
				steps: ["head -c 100000000 /dev/urandom > big.bin; sha256sum big.bin | cut -c1-64"],
				artifacts: { save: ["*.bin"] },
			},
		});
		const run = await coordinator.get<resources.Run>(`/api/v1/runs/${id}/wait?timeout=80`);
		const jobId = (run.jobs[0] as resources.Job).id;
		const [item] = (await coordinator.get<{ items: resources.Artifact[] }>(`/api/v1/jobs/${jobId}/artifacts`)).items;
		expect([run.state, flaky.faults()]).toEqual(["succeeded", 4]);
		expect(await coordinator.text(`/api/v1/jobs/${jobId}/log?format=raw`)).toContain(`\n${item?.sha256}\n`);
		expect(await digestOf(await coordinator.request((item as resources.Artifact).url))).toBe(item?.sha256);
		at.signal("SIGTERM");
		await at.exited;
	});
});

/** A proxy that cuts the first two uploads of parts in the middle, and swallows the answers to the next two. */
async function flakyProxy(target: string): Promise<{ url: string; faults(): number }> {
	let faults = 0;
	const server: Server = createServer((incoming, outgoing) => {
		const isPart = incoming.url?.startsWith("/api/v1/parts/") === true;
		const fault = isPart && faults < 4 ? ++faults : 0;
		const onward = httpRequest(
			new URL(incoming.url ?? "/", target),
			{ method: incoming.method ?? "GET", headers: incoming.headers },
			(response) => {
				if (fault > 2) {
					response.resume();
					response.on("end", () => outgoing.destroy());
					return;
				}
				outgoing.writeHead(response.statusCode ?? 502, response.headers);
				response.pipe(outgoing);
			},
		);
		onward.on("error", () => outgoing.destroy());
		incoming.pipe(onward);
		if (fault === 1 || fault === 2) {
			let bytes = 0;
			incoming.on("data", (chunk: Buffer) => {
				bytes += chunk.byteLength;
				if (bytes > 5_000_000) incoming.destroy();
			});
		}
	});
	cleanups.push(() => void server.close());
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, faults: () => faults };
}
