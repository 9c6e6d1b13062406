import coerce from "semver/functions/coerce.js";
import satisfies from "semver/functions/satisfies.js";
import validRange from "semver/ranges/valid.js";
import * as z from "zod";
import { formatBytes } from "../../wire/bytes.ts";
import type { Capabilities, Requirements } from "../../wire/requirements.ts";
import { count, flag, nonEmpty, nonEmptyTemplate, oneOrMore, orTemplate, shortText, size, strict } from "./values.ts";

/**
 * `runs_on`: the requirements of a job. The queue checks them before an offer, and the agent before
 * it starts the job.
 */

const MAX_CORES = 4096;
const MAX_GPUS = 64;

/** The versions of a tool. */
export const toolRange = shortText.refine(
	(value) => validRange(value) !== null,
	'The value is not a range of versions. Write ">=22", "3.12.x", or "*" for any version.',
);
const toolName = z
	.string()
	.regex(
		/^[a-z][a-z0-9_+.-]{0,40}$/,
		"The name of a tool has lower-case letters, digits and the characters _+.-, and begins with a letter.",
	);
/** Tools with ranges of versions. */
export const tools = z
	.record(toolName, orTemplate(toolRange))
	.refine((value) => Object.keys(value).length <= 50, "A container has at most 50 tools.");

/** Other names of operating systems: agents use the names of Node. */
const OTHER_SYSTEMS = new Map(
	Object.entries({
		linux: "linux",
		macos: "darwin",
		mac: "darwin",
		osx: "darwin",
		windows: "win32",
		win: "win32",
	}),
);
const OTHER_ARCHITECTURES = new Map(
	Object.entries({
		amd64: "x64",
		x86_64: "x64",
		"x86-64": "x64",
		aarch64: "arm64",
		x86: "ia32",
		i386: "ia32",
		i686: "ia32",
	}),
);

/** A name as agents use it. */
function calledBy(others: ReadonlyMap<string, string>) {
	const names = new Set(others.values());
	return nonEmpty.transform((written) => {
		const lower = written.toLowerCase();
		return others.get(lower) ?? (names.has(lower) ? lower : written);
	});
}

/** A number from an expression, which gives text. */
const countInText = (most: number) =>
	z
		.string()
		.refine((text) => /^[1-9]\d{0,8}$/.test(text) && Number(text) <= most, `The value must be a whole number from 1 to ${most}.`)
		.transform(Number);

/** The values that an expression may give, checked once it is filled in. */
export const FILLED_REQUIREMENTS = {
	os: calledBy(OTHER_SYSTEMS),
	arch: calledBy(OTHER_ARCHITECTURES),
	cores: countInText(MAX_CORES),
	memory: size,
	disk: size,
	gpus: countInText(MAX_GPUS),
} as const;

/** `runs_on`, written out. */
export const requirements = strict({
	labels: oneOrMore(nonEmptyTemplate, 20).optional().describe("Labels: the agent must have all of them."),
	os: orTemplate(FILLED_REQUIREMENTS.os).optional().describe("The operating system, such as `linux`, `macos` or `windows`."),
	arch: orTemplate(FILLED_REQUIREMENTS.arch).optional().describe("The architecture, such as `x64` or `arm64`; also `amd64` and `aarch64`."),
	cores: orTemplate(count(1, MAX_CORES)).optional().describe("The minimum of processor cores."),
	memory: orTemplate(size).optional().describe("The minimum of memory."),
	disk: orTemplate(size).optional().describe("The minimum of free disk space for workspaces."),
	gpus: orTemplate(count(1, MAX_GPUS)).optional().describe("The minimum of GPUs."),
	container: flag.optional().describe("Whether the agent must be able to run containers."),
	tools: z
		.record(toolName, orTemplate(toolRange))
		.optional()
		.describe('Tools with ranges of versions: `node: ">=22"`, `go: "*"`. An agent finds about forty tools itself; `--probes` adds others.'),
});
export type RequirementsText = z.infer<typeof requirements>;

/** What an agent offers to the requirements of jobs. */
export interface Offering {
	labels: readonly string[];
	capabilities: Capabilities;
}

const LOOKED_FOR: Record<Capabilities["looking_for"][number], string> = {
	tools: "which tools it has",
	gpus: "which GPUs it has",
	container: "whether it has a container runtime",
};

/**
 * The first unmet requirement, as the end of a sentence that begins with the agent's name; null if
 * all are met.
 */
export function firstUnmetRequirement(wanted: Requirements, offering: Offering): string | null {
	const unknown = offering.capabilities.looking_for.find((one) => wanted[one] !== undefined);
	return knownUnmetRequirement(wanted, offering) ?? (unknown === undefined ? null : `has not said yet ${LOOKED_FOR[unknown]}`);
}

/** The same, without the requirements that the agent is still looking for. */
export function knownUnmetRequirement(asked: Requirements, { labels, capabilities }: Offering): string | null {
	const wanted = { ...asked };
	for (const unknown of capabilities.looking_for) delete wanted[unknown];
	const label = wanted.labels.find((one) => !labels.includes(one));
	if (label !== undefined) return `has no label ${label}`;
	if (wanted.os !== undefined && wanted.os !== capabilities.os) return `runs ${capabilities.os || "an unknown system"}, not ${wanted.os}`;
	if (wanted.arch !== undefined && wanted.arch !== capabilities.arch)
		return `is ${capabilities.arch || "of an unknown architecture"}, not ${wanted.arch}`;
	if (wanted.container && capabilities.container === null) return "has no container runtime";
	if ((wanted.cores ?? 0) > capabilities.cores) return `has ${capabilities.cores} of ${wanted.cores} cores`;
	if ((wanted.memory ?? 0) > capabilities.memory)
		return `has ${formatBytes(capabilities.memory)} of ${formatBytes(wanted.memory ?? 0)} memory`;
	if ((wanted.disk ?? 0) > capabilities.disk) return `had ${formatBytes(capabilities.disk)} of ${formatBytes(wanted.disk ?? 0)} free disk`;
	if ((wanted.gpus ?? 0) > capabilities.gpus.length) return `has ${capabilities.gpus.length} of ${wanted.gpus} GPUs`;
	for (const [tool, wantedRange] of Object.entries(wanted.tools ?? {})) {
		const version = Object.hasOwn(capabilities.tools, tool) ? capabilities.tools[tool] : undefined;
		if (version === undefined) return `has no ${tool}`;
		if (!isInRange(version, wantedRange)) return `has ${tool} ${version}, not ${wantedRange}`;
	}
	return null;
}

/**
 * Of a version unlike 1.2.3 the first numbers count; one without numbers is in the range `*` only.
 */
export function isInRange(version: string, wantedRange: string): boolean {
	const known = coerce(version);
	return known ? satisfies(known, wantedRange, { includePrerelease: true }) : validRange(wantedRange) === "*";
}

/** The requirements in words; empty if any agent fits. */
export function describeRequirements(wanted: Requirements): string[] {
	return [
		...wanted.labels,
		...(wanted.os ? [wanted.os] : []),
		...(wanted.arch ? [wanted.arch] : []),
		...(wanted.container ? ["a container runtime"] : []),
		...(wanted.cores ? [`${wanted.cores} cores`] : []),
		...(wanted.memory ? [`${formatBytes(wanted.memory)} memory`] : []),
		...(wanted.disk ? [`${formatBytes(wanted.disk)} free disk`] : []),
		...(wanted.gpus ? [`${wanted.gpus} GPUs`] : []),
		...Object.entries(wanted.tools ?? {}).map(([tool, wantedRange]) => (wantedRange === "*" ? tool : `${tool} ${wantedRange}`)),
	];
}
