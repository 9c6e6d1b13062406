import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { packTar, type TarEntry } from "modern-tar";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorBody } from "../../schema/wire/errors.ts";
import { MAX_SOURCE_BYTES, MAX_SOURCE_ENTRIES, MAX_SUBMITTED_SOURCE_BYTES, MIB } from "../../schema/wire/limits.ts";
import * as resources from "../../schema/wire/resources.ts";
import {
	ADMIN_TOKEN,
	eventually,
	isMemoryTold,
	residentMib,
	type TestCoordinator,
	temporaryFolder,
	workerdsOf,
} from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
let coordinator: TestCoordinator;
beforeAll(async () => {
	coordinator = await borrowCoordinator((clean) => void cleanups.push(clean));
	await coordinator.agent("unpacker", { slots: "2" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

/** curl, as a person would use it. */
function curl(...args: string[]): string {
	const { stdout, stderr, status } = spawnSync("curl", ["-sS", "-H", `Authorization: Bearer ${ADMIN_TOKEN}`, ...args], {
		encoding: "utf8",
	});
	if (status !== 0) throw new Error(stderr);
	return stdout;
}

/** A folder with a script, a link and a folder in it, packed as people pack folders. */
function packedFolder(): string {
	const folder = temporaryFolder();
	mkdirSync(path.join(folder, "src/deep"), { recursive: true });
	writeFileSync(path.join(folder, "src/run.sh"), "#!/bin/sh\necho ran in $(basename $PWD) with $(cat deep/ünï.txt)\n");
	chmodSync(path.join(folder, "src/run.sh"), 0o755);
	writeFileSync(path.join(folder, "src/deep/ünï.txt"), "a word");
	symlinkSync("deep/ünï.txt", path.join(folder, "src/link"));
	const file = path.join(folder, "src.tar.gz");
	spawnSync("tar", ["czf", file, "-C", path.join(folder, "src"), "."]);
	return file;
}

async function put(body: Uint8Array): Promise<Response> {
	return coordinator.request("/api/v1/sources", { method: "PUT", body: Buffer.from(body) });
}

async function refusal(response: Response) {
	return { status: response.status, ...errorBody.parse(await response.json()) };
}

/** What workerd has resident after any work. */
const USUAL_MIB = 256;

const file = (name: string, body = "x"): TarEntry => ({ header: { name, size: body.length, type: "file" }, body });

describe("a form with a pipeline and a source", () => {
	test("runs in a workspace made of the bundle, links and modes kept", () => {
		const pipeline = path.join(temporaryFolder(), "ci.yml");
		writeFileSync(pipeline, "name: bundled\nsteps:\n  - ./run.sh\n  - cat link\n  - test $(stat -c %a run.sh) = 755\n");
		const text = curl("-F", `pipeline=@${pipeline}`, "-F", `source=@${packedFolder()}`, `${coordinator.url}/api/v1/runs?follow=1`);
		expect(text).toMatch(/^ran in workspace with a word$/m);
		expect(text).toMatch(/\n:: cat link\na word\n/);
		expect(text).toMatch(/\n::exit 0\n$/);
	});

	test("takes the same names as a submission, as parts", async () => {
		const url = `${coordinator.url}/api/v1/runs`;
		const run = resources.run.parse(
			JSON.parse(
				curl(
					"-F",
					"run=env | grep ^GREETING; true",
					"-F",
					"env={GREETING: hello}",
					"-F",
					"priority=7",
					"-F",
					"project=forms",
					"-F",
					`runs_on=["linux"]`,
					url,
				),
			),
		);
		expect([run.project, run.priority, run.jobs[0]?.runs_on]).toEqual(["forms", 7, { labels: ["linux"] }]);
		await coordinator.get(`/api/v1/runs/${run.id}/wait`);
		expect(await coordinator.text(`/api/v1/runs/${run.id}/log`)).toMatch(/^GREETING=hello$/m);
	});

	test.each([
		["a part that is not known", ["-F", "run=true", "-F", "colour=red"], 422, /Unknown key `colour`/],
		["a part twice", ["-F", "run=true", "-F", "run=false"], 422, /run: The form has this part twice/],
		["no pipeline", ["-F", "project=x"], 422, /neither a part `pipeline` nor a part `run`/],
		["a part that is not YAML", ["-F", "run=true", "-F", "env={A: "], 400, /^The part env: Line 1/],
		["a fault in the pipeline, with its place", ["-F", "pipeline=steps: [true]\njbos: 1"], 422, /Line 2, column 1: jbos/],
		["no boundary", ["-H", "Content-Type: multipart/form-data", "-d", "x"], 400, /boundary/],
		[
			"a form that breaks off",
			[
				"-H",
				"Content-Type: multipart/form-data; boundary=b",
				"--data-binary",
				'--b\r\nContent-Disposition: form-data; name="run"\r\n\r\ntr',
			],
			400,
			/form is invalid/,
		],
	])("refuses %s", (_, args, status, message) => {
		const body = JSON.parse(curl(...args, `${coordinator.url}/api/v1/runs`));
		expect([errorBody.parse(body).message, body.error]).toEqual([
			expect.stringMatching(message),
			status === 400 ? "malformed" : "validation_failed",
		]);
	});

	test("a source that is too large for a form is rejected with what to do", async () => {
		const form = new FormData();
		form.set("run", "true");
		form.set("source", new Blob([new Uint8Array(MAX_SUBMITTED_SOURCE_BYTES + 1)]), "src.tar");
		const answer = await refusal(await coordinator.request("/api/v1/runs", { method: "POST", body: form }));
		expect([answer.status, answer.error, answer.suggestions[0]]).toEqual([413, "too_large", expect.stringContaining("windlass run")]);
	});
});

describe("PUT /sources", () => {
	test("keeps a bundle that a submission can name; the same content is the same source", async () => {
		const bundle = packedFolder();
		const first = resources.uploadedSource.parse(JSON.parse(curl("-T", bundle, `${coordinator.url}/api/v1/sources`)));
		expect(resources.uploadedSource.parse(JSON.parse(curl("-T", bundle, `${coordinator.url}/api/v1/sources`)))).toEqual(first);
		expect(await coordinator.get(`/api/v1/sources/${first.id}`)).toEqual(first);
		const run = await coordinator.post<resources.Run>("/api/v1/runs", { run: "ls", source: { upload: first.id } });
		expect(run.source).toEqual({ upload: first.id });
		await coordinator.get(`/api/v1/runs/${run.id}/wait`);
		expect(await coordinator.text(`/api/v1/runs/${run.id}/log`)).toMatch(/\ndeep\nlink\nrun.sh\n::exit 0/);
	});

	test("that is damaged where it is kept is tried three times; then its jobs end with the reason", async () => {
		const bundle = gzipSync(await packTar([file("f", "kept and damaged")]));
		const { id } = resources.uploadedSource.parse(await (await put(bundle)).json());
		const blob = readdirSync(coordinator.data, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => path.join(entry.parentPath, entry.name))
			.find((name) => readFileSync(name).equals(bundle)) as string;
		bundle[bundle.length - 9] = ~(bundle[bundle.length - 9] as number) & 255;
		writeFileSync(blob, bundle);
		const { id: runId } = await coordinator.post<resources.Run>("/api/v1/runs", { run: "true", source: { upload: id } });
		const run = await coordinator.get<resources.Run>(`/api/v1/runs/${runId}/wait?timeout=60`);
		const reason = { code: "checkout_failed", text: expect.stringMatching(/The source bundle is damaged.*\(tried 3 times\)/) };
		expect([run.jobs[0]?.state, run.jobs[0]?.reason]).toEqual(["errored", reason]);
		expect(await coordinator.text(`/api/v1/runs/${runId}/log`)).toContain("its sha256 differs; trying again");
	});

	test("an archive without gzip is taken, too", async () => {
		const response = await put(await packTar([file("a.txt")]));
		expect(resources.uploadedSource.parse(await response.json())).toMatchObject({ entries: 1, unpacked_bytes: 1 });
	});

	test.each<[string, TarEntry[], RegExp]>([
		["..", [file("../out")], /"\.\.\/out": leads out/],
		[".. in the middle", [file("a/../../out")], /leads out/],
		["an absolute path", [file("/etc/passwd")], /"\/etc\/passwd": is an absolute path/],
		["a backslash", [file("a\\b")], /backslash/],
		[
			"a link out",
			[{ header: { name: "l", size: 0, type: "symlink", linkname: "../../etc" } }],
			/"l": a link to "\.\.\/\.\.\/etc" leads out/,
		],
		["an absolute link", [{ header: { name: "l", size: 0, type: "symlink", linkname: "/etc" } }], /leads out/],
		["a link that climbs later", [{ header: { name: "l", size: 0, type: "symlink", linkname: "a/../../x" } }], /leads out/],
		[
			"a file behind a link",
			[{ header: { name: "l", size: 0, type: "symlink", linkname: "." } }, file("l/x")],
			/"l\/x": lies behind a link/,
		],
		["a hard link to nothing of it", [{ header: { name: "h", size: 0, type: "link", linkname: "etc/passwd" } }], /hard link/],
		["a device", [{ header: { name: "null", size: 0, type: "character-device" } }], /"null": a character device cannot/],
		["a fifo", [{ header: { name: "pipe", size: 0, type: "fifo" } }], /a fifo cannot/],
		["a file below a file", [file("a"), file("a/b")], /lies below a file/],
	])("refuses %s, naming the entry", async (_, entries, message) => {
		for (const body of [await packTar(entries), gzipSync(await packTar(entries))]) {
			const answer = await refusal(await put(body));
			expect([answer.status, answer.error, answer.message]).toEqual([422, "validation_failed", expect.stringMatching(message)]);
			expect(answer.details.entry).toBeTypeOf("string");
		}
	});

	test.each([
		["what is no archive", new TextEncoder().encode("hello".repeat(500)), /not a tar archive/],
		["gzip that breaks off", gzipSync(Buffer.alloc(100_000, 1)).subarray(0, 50), /not a tar archive/],
		["nothing", new Uint8Array(), /not a tar archive|empty/],
	])("refuses %s", async (_, body, message) => {
		const answer = await refusal(await put(body));
		expect([[400, 422].includes(answer.status), answer.message]).toEqual([true, expect.stringMatching(message)]);
	});

	test("a million entries are rejected long before the last, and a bomb before it unpacks; memory stays bounded", async () => {
		const [workerd = 0] = workerdsOf(coordinator.data);
		// A workerd that has just begun grows to its usual size by itself.
		const before = Math.max(residentMib(workerd), USUAL_MIB);
		const entries = Array.from({ length: MAX_SOURCE_ENTRIES + 1 }, (_, index) => header(`f${index}`, 0));
		const many = gzipSync(Buffer.concat(entries), { level: 1 });
		const answer = await refusal(await put(many));
		expect([answer.status, answer.message]).toEqual([422, expect.stringContaining(`may have ${MAX_SOURCE_ENTRIES} entries`)]);
		// Five gigabytes, it says, and begins with sixty-four megabytes of nothing in sixty kilobytes.
		const bomb = gzipSync(Buffer.concat([header("bomb", 5 * 1024 * MIB), Buffer.alloc(64 * MIB)]));
		const refused = await refusal(await put(bomb));
		expect([refused.status, refused.message]).toEqual([422, expect.stringContaining('"bomb": a source may unpack to')]);
		if (isMemoryTold) expect(residentMib(workerd) - before).toBeLessThan(150);
	});

	test("the length must be announced, and be within bounds: nothing is read before", async () => {
		const chunked = spawnSync(
			"curl",
			["-sS", "-H", `Authorization: Bearer ${ADMIN_TOKEN}`, "-T", "-", `${coordinator.url}/api/v1/sources`],
			{ input: "x", encoding: "utf8" },
		);
		expect(errorBody.parse(JSON.parse(chunked.stdout)).error).toBe("length_required");
		const early = await raw(
			`PUT /api/v1/sources HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: ${MAX_SOURCE_BYTES + 1}\r\n\r\n`,
		);
		expect(early).toMatch(/^HTTP\/1.1 413 /);
		expect(early).toContain('"too_large"');
	});

	test("an upload that is slow is waited for; one that is cut leaves nothing behind", async () => {
		const bundle = Buffer.from(await packTar([file("slow.txt", "slowly")]));
		const slow = await new Promise<string>((resolve, reject) => {
			const socket = connect(Number(coordinator.port), "127.0.0.1");
			let text = "";
			socket.on("data", (chunk) => {
				text += chunk;
				if (text.includes("\r\n\r\n") && text.includes("}")) socket.end();
			});
			socket.on("close", () => resolve(text));
			socket.on("error", reject);
			socket.write(
				`PUT /api/v1/sources HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: ${bundle.length}\r\n\r\n`,
			);
			let at = 0;
			const drip = setInterval(() => {
				socket.write(bundle.subarray(at, at + 256));
				at += 256;
				if (at >= bundle.length) clearInterval(drip);
			}, 50);
		});
		expect(slow).toMatch(/^HTTP\/1.1 201 /);
		const cut = connect(Number(coordinator.port), "127.0.0.1");
		await new Promise((resolve) => cut.once("connect", resolve));
		cut.write(`PUT /api/v1/sources HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: 1000000\r\n\r\n`);
		cut.write(bundle);
		await new Promise((resolve) => setTimeout(resolve, 100));
		cut.destroy();
		await eventually(async () => (await coordinator.request("/readyz")).ok, "a coordinator that goes on");
		expect(coordinator.program.output).not.toMatch(/"message":"request failed"/);
	});

	test("a missing source is rejected by name", async () => {
		const upload = "src_01ARZ3NDEKTSV4RRFFQ69G5FAV";
		const answer = await refusal(
			await coordinator.request("/api/v1/runs", { method: "POST", body: JSON.stringify({ run: "true", source: { upload } }) }),
		);
		expect([answer.status, answer.message]).toEqual([422, expect.stringContaining(upload)]);
		const both = await refusal(
			await coordinator.request("/api/v1/runs", {
				method: "POST",
				body: JSON.stringify({ run: "true", source: { upload, git: "https://x.test/y" } }),
			}),
		);
		expect([both.status, both.message]).toEqual([422, expect.stringContaining("not both")]);
	});
});

/** The header of a file (POSIX ustar); a size beyond eight gigabytes would need more than these twelve digits. */
function header(name: string, size: number): Buffer {
	const block = Buffer.alloc(512);
	block.write(name, 0);
	block.write("0000644\u00000000000\u00000000000\u0000", 100);
	block.write(`${size.toString(8).padStart(11, "0")}\u000000000000000\u0000        0`, 124);
	block.write("ustar\u000000", 257);
	const sum = block.reduce((total, byte) => total + byte, 0);
	block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148);
	return block;
}

/** What the coordinator answers to these bytes, before any body. */
function raw(request: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket = connect(Number(coordinator.port), "127.0.0.1", () => socket.write(request));
		let text = "";
		socket.on("data", (chunk) => {
			text += chunk;
			if (text.endsWith("}\n") || text.endsWith("\r\n0\r\n\r\n")) socket.destroy();
		});
		socket.on("close", () => resolve(text));
		socket.on("error", reject);
	});
}
