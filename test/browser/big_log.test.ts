import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Job, Run } from "../../schema/wire/resources.ts";
import { Random } from "../sim/random.ts";
import { openBrowser, shown, signedIn } from "../support/browser.ts";
import { eventually, TestCoordinator, temporaryFolder } from "../support/processes.ts";

/** Two hundred megabytes of a step's output: lines, and in the middle of them every byte there is, NUL and broken UTF-8 among them. */
const BYTES = 200_000_000;
const random = new Random(7);
const WRITER = `
import hashlib, random, sys, time
digest = hashlib.sha256()
def write(data):
    digest.update(data)
    sys.stdout.buffer.write(data)
random.seed(7)
written = 0
line = 0
while written < ${BYTES}:
    piece = b''.join(b'line %08d of a long log, with some words that nobody reads\\n' % n for n in range(line, line + 5000))
    line += 5000
    if line == 1000000:
        piece += b'the \\x1b[31mneedle\\x1b[0m in it\\n' + random.randbytes(100000).replace(b'\\n', b'') + b'\\n'
    write(piece)
    written += len(piece)
sys.stdout.buffer.flush()
open(sys.argv[1] if len(sys.argv) > 1 else '/dev/null', 'w').write(digest.hexdigest())
`;

/** What the log ends with after that. */
const TAIL = ":: echo after; sleep 1; exit 3\nafter\n:: exit code 3\n";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let browser: Browser;
let page: Page;
let jobId: string;
let digest: string;
let complaints: string[];
beforeAll(async () => {
	coordinator = await TestCoordinator.start({ atEnd, environment: { WINDLASS_LOG_LIMIT: "512MiB" } });
	await coordinator.agent("writer");
	browser = await openBrowser(atEnd);
	const folder = temporaryFolder(atEnd);
	const sum = path.join(folder, "sum");
	const steps = [
		{ name: "write much", run: WRITER.replace("sys.argv[1] if len(sys.argv) > 1 else '/dev/null'", `'${sum}'`), shell: "python3" },
		"echo after; sleep 1; exit 3",
	];
	const { id, jobs } = await coordinator.post<Run>("/api/v1/runs", { pipeline: { steps } });
	jobId = (jobs[0] as Job).id;
	await rangesAgree(10);
	await coordinator.get(`/api/v1/runs/${id}/wait?timeout=120`);
	digest = readFileSync(sum, "utf8");
}, 180_000);
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const known = new Map<string, string>();

/** Asks for random ranges; those that were asked for before must be the same now. */
async function rangesAgree(count: number): Promise<void> {
	for (const [range, before] of known) expect(await rangeOf(range)).toBe(before);
	const size = await eventually(async () => {
		const response = await coordinator.request(`/api/v1/jobs/${jobId}/log`, { headers: { Range: "bytes=0-0" } });
		await response.arrayBuffer();
		return Number(response.headers.get("Content-Range")?.split("/")[1] ?? 0);
	}, "a first byte");
	for (let index = 0; index < count; index += 1) {
		const start = random.below(size);
		const range = `bytes=${start}-${Math.min(size - 1, start + random.below(100_000))}`;
		known.set(range, await rangeOf(range));
	}
}

async function rangeOf(range: string): Promise<string> {
	const response = await coordinator.request(`/api/v1/jobs/${jobId}/log`, { headers: { Range: range } });
	expect(response.status).toBe(206);
	return createHash("sha256")
		.update(Buffer.from(await response.arrayBuffer()))
		.digest("hex");
}

async function open(hash = "", javaScriptEnabled = true): Promise<Page> {
	({ page, complaints } = await signedIn(browser, coordinator.url, { javaScriptEnabled }));
	await page.goto(`${coordinator.url}/jobs/${jobId}${hash}`);
	return page;
}

const linesShown = () => page.locator("#log ol.log > li").count();

describe("a log of two hundred megabytes", () => {
	test("is kept byte for byte; ranges are the same while it is live and afterwards", async () => {
		await rangesAgree(40);
		const response = await coordinator.request(`/api/v1/jobs/${jobId}/log?format=raw`);
		const hash = createHash("sha256");
		// What the agent says before and after is not the job's: the end is held back until it is known to be the end.
		let held = Buffer.alloc(0);
		let isBegun = false;
		for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
			held = Buffer.concat([held, chunk]);
			const start = isBegun ? 0 : held.indexOf("line 00000000");
			if (start === -1) continue;
			isBegun = true;
			const end = Math.max(start, held.byteLength - TAIL.length);
			hash.update(held.subarray(start, end));
			held = held.subarray(end);
		}
		expect(held.toString()).toBe(TAIL);
		expect(hash.digest("hex")).toBe(digest);
	});

	test("opens at once on what failed, with a few thousand lines in the page; any line is a link away", async () => {
		await open();
		await shown(() => page.locator("#log details.fold").count()).toBe(2);
		await shown(() => page.locator("#log li.target", { hasText: "exit code 3" }).count()).toBe(1);
		expect(await linesShown()).toBeLessThan(4_000);
		await page.goto(`${coordinator.url}/jobs/${jobId}#L1500001`);
		await shown(() => page.locator("#L1500001.target").count()).toBe(1);
		expect(await page.locator("#L1500001").textContent()).toMatch(/line 01499\d\d\d of a long log/);
		expect(await linesShown()).toBeLessThan(4_000);
		// Scrolling on loads what follows, and lets go of what is far away.
		const more = page.locator("#log details.fold").first().locator("button.more.down");
		const lastShown = () => page.locator("#log details.fold").first().locator("ol.log > li").last().getAttribute("id");
		await shown(async () => {
			await more.scrollIntoViewIfNeeded();
			return Number((await lastShown())?.slice(1));
		}).toBeGreaterThan(1_504_000);
		expect(await page.locator("#L1500001").count()).toBe(0);
		expect(await linesShown()).toBeLessThan(8_000);
		expect(complaints).toEqual([]);
	});

	test("is searched from the page, whatever the colours; a step can be folded away", async () => {
		await open();
		await page.getByLabel("Search the log").fill("NEEDLE in it");
		await page.keyboard.press("Enter");
		await shown(async () => {
			await page
				.getByRole("button", { name: /Continue$/ })
				.click({ timeout: 300 })
				.catch(() => undefined);
			return page.locator(".found li", { hasText: "the needle in it" }).count();
		}).toBe(1);
		await page.locator(".found li a").first().click();
		await shown(() => page.locator("#log li.target", { hasText: "the needle in it" }).count()).toBe(1);
		const first = page.locator("#log details.fold").first();
		await first.locator("summary").click();
		expect(await first.locator("ol.log").isVisible()).toBe(false);
		expect(complaints).toEqual([]);
	});

	test("shows its first two thousand lines without JavaScript, and the way to all of it", async () => {
		await open("", false);
		expect(await linesShown()).toBe(2_000);
		// Chromium without scripts shows what stands in <noscript>; its own tools do not find it there.
		expect(await page.content()).toContain("The page shows the beginning of the log.");
	});
});
