import { describe, expect, test } from "vitest";
import { statusContext, statusDescription } from "../../worker/statuses/status_text.ts";

describe("the text of a status", () => {
	test("stays as it is where the forge accepts it", async () => {
		for (const kind of ["github", "gitea", "gitlab"] as const)
			for (const text of ["windlass/ci", "windlass/Prüfung – ⚙ (pull request)", "x".repeat(255)])
				expect(await statusContext(kind, text)).toBe(text);
		expect(await statusContext("gitea", "windlass/🚀")).toBe("windlass/🚀");
		expect(statusDescription("gitlab", "unit 🐛: failed")).toBe("unit 🐛: failed");
	});

	test("has no character of four bytes for GitHub, which rejects them, and no control character or half of one for any", async () => {
		expect(statusDescription("github", "unit 🐛: failed")).toBe("unit \ufffd: failed");
		expect(statusDescription("gitea", "a\u0000b\tc\ud83d\nsecond line")).toBe("a b c\ufffd");
		expect(statusDescription("gitlab", "\n first \r\n second")).toBe("first ");
		const contexts = await Promise.all(["🚀", "🐛", "\ud83d", "\ufffd"].map((name) => statusContext("github", `windlass/${name}`)));
		expect(contexts.every((context) => /^windlass\/\ufffd( [0-9a-f]{8})?$/.test(context))).toBe(true);
		expect(new Set(contexts).size).toBe(4);
	});

	test.each(["github", "gitea", "gitlab"] as const)("is cut for %s by code points, and stays distinct", async (kind) => {
		const long = `windlass/${"ü🐛".repeat(200)}`;
		const contexts = await Promise.all([long, `${long}x`, `${long} (tag)`, "x".repeat(256)].map((text) => statusContext(kind, text)));
		for (const context of contexts) expect([[...context].length, context.isWellFormed()]).toEqual([255, true]);
		expect(new Set(contexts).size).toBe(4);
		for (const shift of ["", "a"]) {
			const description = statusDescription(kind, shift + "🐛".repeat(200));
			expect([[...description].length, description.isWellFormed(), description.at(-1)]).toEqual([140, true, "…"]);
			expect([...statusDescription(kind, shift + "é".repeat(140 - shift.length))]).toHaveLength(140);
		}
	});
});
