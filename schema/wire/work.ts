import * as z from "zod";

/** When an image is pulled. */
export const PULL = ["always", "missing", "never"] as const;

/**
 * What the work of a job is made of: as a stored pipeline has it, where a text may still have expressions, and as its agent gets it, where
 * none has.
 */
export function workOf<Text extends z.ZodType>(text: Text) {
	const variables = z.record(z.string(), text);
	/** Which of the agent's registry credentials are used; null for those of its own Docker. */
	const credentials = z.string().nullable().default(null);
	const pull = z.enum(PULL);
	const build = z.object({
		context: z.string(),
		dockerfile: z.string().nullable(),
		tags: z.array(text),
		push: z.boolean(),
		cache: z.array(text),
		args: variables,
		target: z.string().nullable(),
		credentials,
	});
	const step = z.object({
		name: z.string(),
		run: z.string(),
		env: variables,
		working_directory: z.string().nullable(),
		/** `default`, in containers: bash where it is, sh elsewhere. */
		shell: z.string(),
		timeout_ms: milliseconds.nullable(),
		/** An image to build in place of a script to run. */
		build: build.nullable().default(null),
	});
	const container = z.object({
		image: text,
		workdir: z.string().nullable(),
		user: z.string().nullable(),
		env: variables,
		volumes: z.array(z.string()),
		devices: z.array(z.string()),
		options: z.object({
			memory: z.string().optional(),
			cpus: z.string().optional(),
			shm_size: z.string().optional(),
			network: z.enum(["default", "none"]).optional(),
			read_only: z.boolean().optional(),
			init: z.boolean().optional(),
		}),
		pull,
		credentials,
	});
	const service = z.object({
		name: z.string(),
		image: text,
		env: variables,
		command: z.array(text).nullable(),
		health: z
			.object({ command: z.string(), interval_ms: milliseconds, timeout_ms: milliseconds, retries: z.number().int().nonnegative() })
			.nullable(),
		pull,
		credentials,
	});
	return { variables, build, step, container, service };
}

const milliseconds = z.number().int().nonnegative();

/** The formats of test reports. */
export const TEST_REPORT_KINDS = ["junit", "go_test", "tap", "libtest", "automake", "trx", "bazel"] as const;
export type TestReportKind = (typeof TEST_REPORT_KINDS)[number];
/** What becomes of a test that failed and then passed in one report. */
export const RETRIES = ["flaky", "fail"] as const;

const patterns = z.array(z.string());
/** Where the reports of a job are. */
export const reportFiles = z.object({
	junit: patterns,
	go_test: patterns,
	tap: patterns,
	libtest: patterns.default([]),
	automake: patterns.default([]),
	trx: patterns.default([]),
	bazel: patterns.default([]),
	allow_empty: z.boolean().default(false),
	retries: z.enum(RETRIES).default("flaky"),
	coverage: z.object({ format: z.enum(["lcov", "cobertura", "go"]), files: patterns }).nullable(),
});
