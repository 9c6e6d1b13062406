import * as z from "zod";

/** When an image is pulled. */
export const PULL = ["always", "missing", "never"] as const;

/**
 * The work of a job. In a stored pipeline its texts may have expressions; its agent gets it without
 * any.
 */
export function workOf<Text extends z.ZodType>(text: Text) {
	const variables = z.record(z.string(), text);
	/** The agent's registry credentials; null for those of its own Docker. */
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
		/** `default` in containers: bash if the image has it, otherwise sh. */
		shell: z.string(),
		timeout_ms: milliseconds.nullable(),
		/** An image to build, instead of a script. */
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
/** The result of a test that failed and then passed in one report. */
export const RETRIES = ["flaky", "fail"] as const;

const patterns = z.array(z.string());
/** The report files of a job. */
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
