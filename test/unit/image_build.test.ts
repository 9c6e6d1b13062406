import { expect, test } from "vitest";
import { buildCommand } from "../../agent/execution/containers/image_build.ts";

const build = { context: ".", dockerfile: null, tags: ["a:1"], push: false, cache: [], args: {}, target: null, credentials: null };

test("docker gets the options of the step, and no value of an argument", () => {
	expect(buildCommand(build, ["a:1"], "Dockerfile")).toEqual(["build", "--force-rm", "--tag", "a:1", "--file", "Dockerfile", "-"]);
	const all = { ...build, cache: ["a:0", "b"], args: { TOKEN: "hidden" }, target: "test" };
	expect(buildCommand(all, ["a:1", "a:2"], "c/D").join(" ")).toBe(
		"build --force-rm --tag a:1 --tag a:2 --file c/D --target test --cache-from a:0 --cache-from b --build-arg TOKEN -",
	);
});

test("an image that is pushed says how it was built: otherwise it would be no cache for the next one", () => {
	expect(buildCommand({ ...build, push: true }, ["a:1"], "Dockerfile").join(" ")).toContain(" --build-arg BUILDKIT_INLINE_CACHE=1 ");
});
