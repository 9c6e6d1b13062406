import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { renderLines } from "../../worker/logs/pages/log_lines.tsx";
import { page } from "../../worker/ui/layout.tsx";

const OVERRIDE = "\u202e";
const EVIL = `main${OVERRIDE}gpj.exe`;

const ANYBODY = { environment: env, principal: { kind: "anyone" }, url: new URL("http://ci.lan/") } as const;
const rendered = async (children: preact.ComponentChildren, title = "t") => (await page(ANYBODY, { title, children })).text();

test("a name that turns the direction of text stands by itself; what stands beside it is left alone", async () => {
	const html = await rendered(
		<p>
			on {EVIL} by {"\u05d0\u05d1"} and ada
		</p>,
	);
	expect(html).toContain(`<p>on <bdi>${EVIL}</bdi> by <bdi>\u05d0\u05d1</bdi> and ada</p>`);
	expect(await rendered(<p>{["plain ", EVIL]}</p>)).toContain(`<p>plain <bdi>${EVIL}</bdi></p>`);
});

test("where no element may stand, the marks are replaced; what a form sends back stays as it is", async () => {
	const html = await rendered(
		<form>
			<select>
				<option>{EVIL}</option>
			</select>
			<textarea>{EVIL}</textarea>
			<input value={EVIL} placeholder={EVIL} />
			<svg>
				<title>{EVIL}</title>
				<text>{EVIL}</text>
			</svg>
		</form>,
		EVIL,
	);
	const replaced = EVIL.replace(OVERRIDE, "\ufffd");
	expect(html).toContain(`<title>${replaced} · Windlass</title>`);
	expect(html).toContain(`<option>${replaced}</option>`);
	expect(html).toContain(`<title>${replaced}</title><text>${replaced}</text>`);
	expect(html).toContain(`<textarea>${EVIL}</textarea><input value="${EVIL}" placeholder="${replaced}"/>`);
});

test("a line of a log cannot turn the time before it", () => {
	expect(renderLines([`2026-01-01T00:00:00.000Z ${EVIL}`], 1)).toContain(`<span><bdi>${EVIL}</bdi></span>`);
});
