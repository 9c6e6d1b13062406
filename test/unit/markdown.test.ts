import { describe, expect, test } from "vitest";
import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import { renderingMarkdown } from "../../worker/ui/markdown.ts";

describe("the summary of a job", () => {
	const html = (text: string) => doneAtOnce(renderingMarkdown(text));

	test("a long one is rendered part by part, and says the same", () => {
		const section =
			"# A heading\n\nSome *words* and a [link](https://a.test).\n\n- one\n- two\n\n```sh\necho a\n\n# not a heading\n```\n\n";
		expect(html(section.repeat(500))).toBe(html(section).repeat(500));
	});

	test("code that is longer than a part stays code", () => {
		const long = html(`\`\`\`\n${"# a line\n".repeat(10_000)}\`\`\`\n\nafter\n`);
		expect(long.match(/# a line/g)).toHaveLength(10_000);
		expect(long).not.toContain("<h1>");
		expect(long.endsWith("<p>after</p>\n")).toBe(true);
	});

	test.each([
		["[", 1_000_000],
		["- a\n", 250_000],
		["a\n", 500_000],
		["[a]: b\n", 150_000],
	])(
		"%j again and again: never for long without a pause",
		(sign, count) => {
			let longest = 0;
			const work = renderingMarkdown(sign.repeat(count));
			for (let step = work.next(); !step.done; step = work.next()) longest = Math.max(longest, step.value);
			expect(longest).toBeLessThan(50_000);
		},
		30_000,
	);
});
