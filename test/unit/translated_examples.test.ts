import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";

/** The pipelines that translate those of public projects are valid, and the page lists each. */

const folder = path.resolve(import.meta.dirname, "../../examples/translated");
const FILES = globSync("**/*.{yml,yaml}", { cwd: folder }).sort();
const page = readFileSync(path.join(folder, "README.md"), "utf8");

test("every project has a pipeline", () => {
	expect(new Set(FILES.map((file) => path.dirname(file))).size).toBe(8);
});

describe.each(FILES)("%s", (file) => {
	const text = readFileSync(path.join(folder, file), "utf8");

	test("is valid", () => {
		expect(lintPipeline(text)).toMatchObject({ valid: true, errors: [] });
	});

	test("says what it translates", () => {
		expect(text).toMatch(/^# \S+, \.\S+\./);
		expect(page).toContain(`(${file})`);
	});
});
