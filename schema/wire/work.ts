import * as z from "zod";
import { CACHE_COMPRESSIONS, CACHE_SCOPES, CACHE_WHEN } from "./caches.ts";

/** When an image is pulled. */
export const PULL = ["always", "missing", "never"] as const;

/** A text with expressions, which are evaluated later. */
export const lateText = z.object({ template: z.string() });
export type LateText = z.infer<typeof lateText>;

const outcome = z.object({ result: z.string(), outputs: z.record(z.string(), z.string()) });

/** The values of the expressions that an agent evaluates, beside those of the job's own steps. */
export const stepValues = z.object({
	run: z.object({
		branch: z.string(),
		tag: z.string(),
		event: z.string(),
		project: z.string(),
		pipeline: z.string(),
		pull_request: z.string(),
		target_branch: z.string(),
		draft: z.boolean(),
		labels: z.array(z.string()).readonly(),
		sha: z.string(),
		base_sha: z.string(),
	}),
	params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
	doubles: z.array(z.string()),
	matrix: z.record(z.string(), z.string()),
	changed: z.record(z.string(), z.boolean()),
	needs: z.record(z.string(), outcome),
});
export type StepValues = z.infer<typeof stepValues>;

/** A port of a service. `on_host`: the port of the agent's machine; null for any free one. */
const servicePort = z.object({ port: z.number().int(), on_host: z.number().int().nullable() });

/**
 * The work of a job. In a stored pipeline its texts may have expressions; its agent gets it without
 * any.
 */
export function workOf<Text extends z.ZodType>(text: Text) {
	const variables = z.record(z.string(), text);
	/** The agent's registry credentials; null for those of its own Docker. */
	const credentials = z.string().nullable().default(null);
	const pull = z.enum(PULL);
	/** A text of a step: the agent fills in what uses the steps before it. */
	const stepText = z.union([text, lateText]);
	const build = z.object({
		context: z.string(),
		dockerfile: z.string().nullable(),
		tags: z.array(stepText),
		push: z.boolean(),
		cache: z.array(stepText),
		args: z.record(z.string(), stepText),
		target: z.string().nullable(),
		credentials,
	});
	const step = z.object({
		name: z.string(),
		/** Its name in expressions. */
		id: z.string().nullable().default(null),
		condition: z.string().nullable().default(null),
		/** Whether the condition uses the status: the step may run after others failed, or after a cancel. */
		asks_for_status: z.boolean().default(false),
		run: z.string(),
		env: z.record(z.string(), stepText),
		working_directory: z.string().nullable(),
		/** `default` in containers: bash if the image has it, otherwise sh. */
		shell: z.string(),
		timeout_ms: milliseconds.nullable(),
		/** An image to build, instead of a script. */
		build: build.nullable().default(null),
		continue_on_error: z.boolean().default(false),
		retry: z.object({ attempts: z.number().int().positive(), delay_ms: milliseconds }).nullable().default(null),
		/** Steps in a row with the same number run at the same time. */
		group: z.number().int().nonnegative().nullable().default(null),
	});
	/** The steps that run however the others ended. */
	const cleanup = z.object({ steps: z.array(step), timeout_ms: milliseconds });
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
		/** Tools that the image must have, with ranges of versions. */
		tools: z.record(z.string(), z.string()).default({}),
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
		ports: z.array(servicePort).default([]),
	});
	const cache = z.object({
		key: stepText,
		paths: z.array(z.string()),
		restore_keys: z.array(stepText),
		when: z.enum(CACHE_WHEN),
		compression: z.enum(CACHE_COMPRESSIONS),
		scope: z.enum(CACHE_SCOPES),
	});
	return { variables, build, step, cleanup, container, service, cache };
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
