import coerce from "semver/functions/coerce.js";
import satisfies from "semver/functions/satisfies.js";
import validRange from "semver/ranges/valid.js";
import * as z from "zod";
import { formatBytes } from "../../wire/bytes.ts";
import type { Capabilities, Requirements } from "../../wire/requirements.ts";
import { count, flag, nonEmpty, nonEmptyTemplate, oneOrMore, orTemplate, refusing, shortText, size, strict } from "./values.ts";

/** What a job asks of its agent, and whether an agent has it: the queue asks before it offers a job, the agent before it starts one. */

const MAX_CORES = 4096;
const MAX_GPUS = 64;

/** The versions of a tool. */
export const toolRange = shortText.refine(
	(value) => validRange(value) !== null,
	'is not a range of versions; write ">=22", "3.12.x" or "*" for any version',
);
const TOOL_NAME = /^[a-z][a-z0-9_+.-]{0,40}$/;

/** Agents name what they run on as Node does; there are names for the same that none of them would ever have. */
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

function calledBy(others: ReadonlyMap<string, string>) {
	const names = new Set(others.values());
	return nonEmpty.superRefine(
		refusing((written) => {
			const lower = written.toLowerCase();
			const meant = others.get(lower) ?? (names.has(lower) ? lower : written);
			return meant === written ? null : `no agent says ${JSON.stringify(written)} of itself; did you mean ${JSON.stringify(meant)}?`;
		}),
	);
}

/** What an expression gives is text, also where a number is meant. */
const countInText = (most: number) =>
	z
		.string()
		.refine((text) => /^[1-9]\d{0,8}$/.test(text) && Number(text) <= most, `is not a whole number from 1 to ${most}`)
		.transform(Number);

/** The values that an expression may give, as they are checked once it is filled in. */
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
	labels: oneOrMore(nonEmptyTemplate, 20).optional().describe("Labels, all of which the agent must have."),
	os: orTemplate(FILLED_REQUIREMENTS.os).optional().describe("Its system, such as `linux` or `darwin`."),
	arch: orTemplate(FILLED_REQUIREMENTS.arch).optional().describe("Its architecture, such as `x64` or `arm64`."),
	cores: orTemplate(count(1, MAX_CORES)).optional().describe("The least number of processor cores."),
	memory: orTemplate(size).optional().describe("The least memory."),
	disk: orTemplate(size).optional().describe("The least free disk where jobs work."),
	gpus: orTemplate(count(1, MAX_GPUS)).optional().describe("The least number of GPUs."),
	container: flag.optional().describe("Whether it must be able to run containers."),
	tools: z
		.record(z.string().regex(TOOL_NAME, "the name of a tool is lower-case letters, digits and _+.-"), orTemplate(toolRange))
		.optional()
		.describe(
			'Tools with ranges of versions: `node: ">=22"`, `go: "*"`. An agent finds some forty by itself, further ones by its `--probes`.',
		),
});
export type RequirementsText = z.infer<typeof requirements>;

/** What is said of an agent, as far as jobs may ask for it. */
export interface Offering {
	labels: readonly string[];
	capabilities: Capabilities;
}

const LOOKED_FOR: Record<Capabilities["looking_for"][number], string> = {
	tools: "which tools it has",
	gpus: "which GPUs it has",
	container: "whether it has a container runtime",
};

/** The first thing that the agent lacks, as the end of a sentence that begins with its name; null if it fits. */
export function firstUnmetRequirement(wanted: Requirements, offering: Offering): string | null {
	const unknown = offering.capabilities.looking_for.find((one) => wanted[one] !== undefined);
	return knownUnmetRequirement(wanted, offering) ?? (unknown === undefined ? null : `has not said yet ${LOOKED_FOR[unknown]}`);
}

/** The same, where what the agent is still looking for does not count. */
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

/** A version that is not like 1.2.3 is taken for its first numbers; one without any is in the range `*` only. */
function isInRange(version: string, wantedRange: string): boolean {
	const known = coerce(version);
	return known ? satisfies(known, wantedRange, { includePrerelease: true }) : validRange(wantedRange) === "*";
}

/** What is asked for, in words; empty if any agent will do. */
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
