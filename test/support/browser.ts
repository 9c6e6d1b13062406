import { execFileSync } from "node:child_process";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { ADMIN_TOKEN, type AtEnd } from "./processes.ts";

/**
 * What a page comes to show. Whatever follows a click is looked for with this: the page that comes of it is on its way yet, and the machine
 * does other things too.
 */
export const shown = <Value>(look: () => Promise<Value>) => expect.poll(look, { timeout: 20_000 });

/** Debian's Chromium. */
export async function openBrowser(atEnd: AtEnd): Promise<Browser> {
	const browser = await chromium.launch({
		executablePath: execFileSync("which", ["chromium"], { encoding: "utf8" }).trim(),
		args: [
			"--no-sandbox",
			"--disable-gpu",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
		],
	});
	atEnd(() => browser.close());
	return browser;
}

/** A page of somebody who has signed in with a token; what its console complains about is among its complaints. */
export async function signedIn(
	browser: Browser,
	coordinatorUrl: string,
	{ javaScriptEnabled = true } = {},
): Promise<{ page: Page; complaints: string[] }> {
	const page = await (await browser.newContext({ javaScriptEnabled })).newPage();
	const complaints: string[] = [];
	page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
	page.on("pageerror", (error) => complaints.push(String(error)));
	await page.goto(`${coordinatorUrl}/sign-in`);
	await page.getByLabel("Token").fill(ADMIN_TOKEN);
	await page.getByRole("button", { name: "Use the token" }).click();
	await page.waitForURL(`${coordinatorUrl}/`);
	complaints.length = 0;
	return { page, complaints };
}
