import { mkdirSync } from "node:fs";
import path from "node:path";
import { chromium, type Page } from "playwright-core";
import type { Page as ListPage, Run, RunSummary } from "../../schema/wire/resources.ts";
import { demoFilled } from "./demo_filled.ts";

/**
 * `npm run screenshots`: pictures of the main pages, with the content of `windlass demo --content`.
 * It needs Chromium.
 */

const FOLDER = path.resolve(import.meta.dirname, "../images");
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 780 };

interface Picture {
	name: string;
	address: string;
	isNarrow?: boolean;
	isDark?: boolean;
}

async function main(): Promise<void> {
	const { url, token, stop } = await demoFilled();
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
	try {
		mkdirSync(FOLDER, { recursive: true });
		for (const picture of await picturesOf(url, token)) {
			const context = await browser.newContext({
				viewport: picture.isNarrow ? NARROW : WIDE,
				colorScheme: picture.isDark ? "dark" : "light",
				deviceScaleFactor: 1,
			});
			await take(await context.newPage(), url, token, picture);
			await context.close();
		}
	} finally {
		await browser.close();
		await stop();
	}
}

async function picturesOf(url: string, token: string): Promise<Picture[]> {
	const get = async <Body>(address: string): Promise<Body> => {
		const response = await fetch(url + address, { headers: { Authorization: `Bearer ${token}` } });
		return (await response.json()) as Body;
	};
	const newest = async (query: string) => {
		const { items } = await get<ListPage<RunSummary>>(`/api/v1/runs?limit=1&${query}`);
		if (!items[0]) throw new Error(`the content has no run with ${query}`);
		return items[0].id;
	};
	const failed = await newest("project=web&branch=main&state=failed");
	const release = await newest("project=web&branch=release/2.14&state=running");
	const { jobs } = await get<Run>(`/api/v1/runs/${failed}`);
	const job = jobs.find(({ state }) => state === "failed")?.id;
	return [
		{ name: "home", address: "/" },
		{ name: "home-phone", address: "/", isNarrow: true, isDark: true },
		{ name: "run", address: `/runs/${failed}` },
		{ name: "run-dark", address: `/runs/${failed}`, isDark: true },
		{ name: "timeline", address: `/runs/${release}?tab=timeline` },
		{ name: "job", address: `/jobs/${job}` },
		{ name: "project", address: "/projects/web" },
		{ name: "agents", address: "/agents" },
	];
}

async function take(page: Page, url: string, token: string, { name, address }: Picture): Promise<void> {
	await page.goto(`${url}/sign-in`);
	await page.getByLabel("Token").fill(token);
	await page.getByRole("button", { name: "Use the token" }).click();
	await page.waitForURL(`${url}/`);
	await page.goto(url + address);
	await page.waitForLoadState("load");
	await page.screenshot({ path: path.join(FOLDER, `${name}.png`) });
	console.log(`docs/images/${name}.png`);
}

await main();
