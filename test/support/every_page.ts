import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser } from "playwright-core";
import { ADMIN_TOKEN } from "./processes.ts";

/** Looks at pages as a designer would with a ruler: nothing overflows, and axe finds no violation. */

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A window, and the colors that its reader prefers. */
export interface Look {
	width: number;
	colorScheme: "light" | "dark";
}

interface Violation {
	id: string;
	nodes: { html: string; any: { message: string }[] }[];
}

/** What is wrong with these pages, a line each. */
export async function faultsOfPages(
	browser: Browser,
	url: string,
	paths: readonly string[],
	{ width, colorScheme }: Look,
): Promise<string[]> {
	// The policy of the page forbids the script of the check.
	const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
	const page = await context.newPage();
	const faults: string[] = [];
	page.on("pageerror", (error) => faults.push(`${page.url()}: ${error}`));
	await page.goto(`${url}/sign-in`);
	await page.getByLabel("Token").fill(ADMIN_TOKEN);
	await page.getByRole("button", { name: "Use the token" }).click();
	await page.waitForURL(`${url}/`);
	for (const path of paths) {
		await page.goto(url + path);
		const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
		if (overflow > 0) faults.push(`${path}: is ${overflow} pixels wider than the window`);
		await page.evaluate(AXE);
		const violations = await page.evaluate<Violation[]>("axe.run().then(({ violations }) => violations)");
		for (const { id, nodes } of violations) faults.push(`${path}: ${id}, ${nodes.length} times: ${nodes[0]?.html.slice(0, 200)}`);
	}
	await context.close();
	return faults;
}
