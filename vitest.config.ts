import { availableParallelism } from "node:os";
import path from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest_first.ts";

const migrations = await readD1Migrations(path.join(import.meta.dirname, "schema/database/migrations"));

/**
 * Processes that these tests kill and freeze have leases of ten seconds: `npm test` runs the others
 * beside them with a lower priority.
 */
const FAULTS = ["test/chaos/**/*.test.ts", "test/e2e/faults.test.ts", "test/e2e/program.test.ts"];
/**
 * Tests share two cores, and each time limit of a test is far above the time that it takes alone.
 */
const PATIENT = { testTimeout: 90_000, hookTimeout: 90_000 };

/** By default vitest leaves one core to itself. */
const CORES = availableParallelism();

export default defineConfig({
	test: {
		sequence: { sequencer: LongestFirst },
		projects: [
			// Files share their processes where nothing of one can reach another: a start takes
			// longer than most files.
			{ test: { name: "unit", include: ["test/unit/**/*.test.ts"], ...PATIENT, isolate: false, maxWorkers: CORES } },
			{
				plugins: [
					cloudflareTest({
						wrangler: { configPath: "./wrangler.toml" },
						miniflare: {
							bindings: {
								MIGRATIONS: migrations,
								SIGNING_KEY: "a key that is used in tests only",
								HOST_SECRET: "host-secret",
								POLL_HOLD_MS: "2000",
							},
						},
					}),
				],
				test: {
					name: "worker",
					include: ["test/worker/**/*.test.{ts,tsx}"],
					setupFiles: ["test/worker/setup.ts"],
					...PATIENT,
					isolate: false,
					sequence: { groupOrder: 3 },
				},
			},
			// Each world has a process of its own.
			{ test: { name: "sim", include: ["test/sim/**/*.test.ts"], maxConcurrency: CORES, maxWorkers: CORES } },
			{ test: { name: "faults", include: FAULTS, ...PATIENT, maxWorkers: 2, sequence: { groupOrder: 1 } } },
			{
				test: {
					name: "e2e",
					include: ["test/e2e/**/*.test.ts", "test/browser/**/*.test.ts", "test/fuzz/**/*.test.ts"],
					exclude: FAULTS,
					globalSetup: "test/support/shared_coordinators_setup.ts",
					...PATIENT,
					isolate: false,
					// Many wait more than they work.
					maxWorkers: 4,
					sequence: { groupOrder: 2 },
				},
			},
		],
	},
});
