import { execFileSync } from "node:child_process";
import { chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import type { AtEnd } from "./processes.ts";

/** What a page comes to show: jobs run meanwhile, on a machine that does other things too. */
export const shown = <Value>(look: () => Promise<Value>) => expect.poll(look, { timeout: 20_000 });

/** A page in Debian's Chromium, signed in by a link; what goes wrong in it is among its complaints. */
export async function signedIn(signInUrl: string, atEnd: AtEnd): Promise<{ page: Page; complaints: string[] }> {
	const browser = await chromium.launch({
		executablePath: execFileSync("which", ["chromium"], { encoding: "utf8" }).trim(),
		args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
	});
	atEnd(() => browser.close());
	const page = await (await browser.newContext()).newPage();
	const complaints: string[] = [];
	page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
	page.on("pageerror", (error) => complaints.push(String(error)));
	await page.goto(signInUrl);
	return { page, complaints };
}
