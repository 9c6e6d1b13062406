import * as z from "zod";
import { PULL } from "../../wire/work.ts";
import { tools } from "./requirements.ts";
import {
	command,
	count,
	duration,
	environmentTemplate,
	flag,
	isScalar,
	nonEmpty,
	nonEmptyTemplate,
	strict,
	withShorthand,
} from "./values.ts";

/** The containers of a job: the container of its steps, and its services. */

/**
 * The name of an image as docker takes it. It is checked again once its expressions are filled in.
 */
export const IMAGE = /^[a-z0-9][a-zA-Z0-9._/-]*(:[0-9]+\/[a-zA-Z0-9._/-]+)?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;
export const IMAGE_ERROR = "The image must be a name such as node:24 or registry.lan:5000/team/app:1.2.";

/** Whether a text without expressions can be an image. */
function mayBeImage(value: string): boolean {
	return value.includes("${{") || (value.length <= 400 && IMAGE.test(value));
}

const image = nonEmptyTemplate.refine(mayBeImage, IMAGE_ERROR);

const pull = z.enum(PULL);

/** The name of registry credentials of the agent. */
export const credentials = nonEmpty.refine(
	(value) => /^[a-z0-9][a-z0-9-]{0,62}$/.test(value),
	"The name of registry credentials (--registry-credentials of the agent) has lower-case letters, digits and dashes.",
);

/** The name of a volume, and the path that it is mounted at. */
const VOLUME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}:\/[^:]+(:ro)?$/;
const volume = nonEmpty.refine(
	(value) => VOLUME.test(value),
	"A volume is name:/path or name:/path:ro. Folders of the agent are never mounted.",
);
const device = nonEmpty.refine((value) => /^\/dev\/[A-Za-z0-9_/-]+$/.test(value), "A device is a path such as /dev/kvm.");

/** A size as docker takes it. */
function dockerSize(example: string) {
	return nonEmpty.refine((value) => /^0*[1-9]\d*[kmg]?$/i.test(value), `The size must be a number with a unit, such as ${example}.`);
}

/** The minimum of docker; 0 would mean no limit. */
const LEAST_CPUS = 0.01;

/** Options of `docker run` that cannot break out of the container. */
const options = strict({
	memory: dockerSize("512m").optional().describe("The memory limit, such as `512m`. Default: no limit."),
	cpus: nonEmpty
		.refine(
			(value) => /^\d+(\.\d+)?$/.test(value) && Number(value) >= LEAST_CPUS,
			`\`cpus\` must be a number of at least ${LEAST_CPUS}, such as 1.5.`,
		)
		.optional()
		.describe("The limit of processor cores, such as `1.5`. Default: no limit."),
	shm_size: dockerSize("256m").optional().describe("The size of `/dev/shm`, such as `256m`."),
	network: z.enum(["default", "none"]).optional().describe("`none`: no network, and so no services. Default: `default`."),
	read_only: flag.optional().describe("Whether the file system of the image is read-only. Default: `false`."),
	init: flag.optional().describe("Whether a small init process reaps orphaned processes. Default: `false`."),
});

/** The keys of every container. */
const containerKeys = {
	image: image.describe("The image, such as `node:24`."),
	env: environmentTemplate.optional().describe("Variables of all processes in the container."),
	pull: pull
		.optional()
		.describe(
			"When the image is pulled: `missing` (if the agent does not have it), `always` (before each job) or `never`. Default: `missing`.",
		),
	credentials: credentials.optional().describe("The agent's registry credentials to pull with. Default: those of its own Docker."),
};

/** Whether the workspace can be mounted at a path: neither at / nor over the agent's own files. */
function canBeWorkdir(value: string): boolean {
	const isPlain = /^(\/[^/:\p{Cc}]+)+\/?$/u.test(value) && !/\/\.\.?(\/|$)/.test(value);
	return isPlain && !/^\/windlass(\/|$)/.test(value);
}

/** The paths of the workspace, without `workdir`, and of the agent's own files. */
const WORKSPACE = "/workspace";
const OWN_FILES = "/windlass";

/** Why a volume cannot be mounted at its path, as the end of a sentence; null if it hides nothing. */
export function volumeError(volume: string, workdir: string | null): string | null {
	const place = normalized(volume.split(":")[1] ?? "/");
	const hidden = [WORKSPACE, OWN_FILES, normalized(workdir ?? WORKSPACE)].find((given) => isWithin(place, given) || isWithin(given, place));
	return hidden === undefined ? null : `would be mounted over ${hidden}, which the agent gives to the job; use a path outside of it`;
}

/** An absolute path without `.` and `..`. */
function normalized(path: string): string {
	const parts: string[] = [];
	for (const part of path.split("/")) {
		if (part === "..") parts.pop();
		else if (part !== "" && part !== ".") parts.push(part);
	}
	return `/${parts.join("/")}`;
}

function isWithin(path: string, folder: string): boolean {
	return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

const containerShape = strict({
	...containerKeys,
	workdir: nonEmpty
		.refine(
			canBeWorkdir,
			"`workdir` must be a folder in the container, such as /src: absolute, without : and .., and neither / nor in /windlass.",
		)
		.optional()
		.describe("The path of the workspace in the container. Default: `/workspace`."),
	user: nonEmpty
		.refine(
			(value) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/.test(value),
			"The user must be a name or a number with a group, such as node or 1000:1000.",
		)
		.optional()
		.describe("The user of the steps. Default: the user of the image. After the job the agent owns the files again."),
	volumes: z.array(volume).max(20).optional().describe("Named volumes of the agent's Docker: `name:/path`, or `name:/path:ro`."),
	devices: z.array(device).max(20).optional().describe("Devices of the agent that it allows (`--allow-devices`)."),
	options: options.optional().describe("Limits and other options of the container."),
	tools: tools
		.optional()
		.describe('Tools that the image must have, with ranges of versions: `python: ">=3.12"`. They are looked for before the first step.'),
}).superRefine(({ volumes, workdir }, context) => {
	for (const [index, one] of (volumes ?? []).entries()) {
		const message = VOLUME.test(one) ? volumeError(one, workdir ?? null) : null;
		if (message !== null) context.addIssue({ code: "custom", path: ["volumes", index], message: `The volume ${message}.` });
	}
});
export const container = withShorthand(containerShape, [{ type: "string" }], (value) => (isScalar(value) ? { image: value } : value));
export type ContainerText = z.infer<typeof container>;

const health = strict({
	command: command.describe("A shell command in the service; it succeeds when the service is healthy."),
	interval: duration.optional().describe("The pause between two checks. Default: 1s."),
	timeout: duration.optional().describe("How long a check may take. Default: 5s."),
	retries: count(1, 1000).optional().describe("The service is unhealthy after this many failed checks in a row. Default: 60."),
});

const MAX_PORT = 65_535;
/** A port of a service, and after it the port of the agent's machine that it must have there. */
const port = nonEmpty.transform((value, context) => {
	const [, host, inside] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(value) ?? [];
	const numbers = [host, inside].flatMap((one) => (one === undefined ? [] : [Number(one)]));
	if (numbers.length > 0 && numbers.every((one) => one >= 1 && one <= MAX_PORT))
		return { port: Number(inside), on_host: host === undefined ? null : Number(host) };
	const message = 'A port is a number such as 5432, or "5432:5432" for that same port of the agent\'s machine. Its protocol is TCP.';
	context.addIssue({ code: "custom", message });
	return z.NEVER;
});

const serviceShape = strict({
	...containerKeys,
	ports: z
		.array(port)
		.min(1)
		.max(20)
		.optional()
		.describe(
			'The TCP ports that steps on the host reach on `localhost`. Each gets a free port, told in `CI_SERVICE_<NAME>_PORT`; `"5432:5432"` asks for that one.',
		),
	command: z
		.array(nonEmptyTemplate)
		.min(1)
		.max(50)
		.optional()
		.describe("The command of the service as a list of words. Default: the command of the image."),
	health: withShorthand(health, [{ type: "string" }], (value) => (isScalar(value) ? { command: value } : value))
		.optional()
		.describe("The health check: a command, or a map. Default: the health check of the image."),
});
const service = withShorthand(serviceShape, [{ type: "string" }], (value) => (isScalar(value) ? { image: value } : value));
/** The name of a service is its name on the network. */
export const services = z
	.record(
		z
			.string()
			.regex(/^[a-z][a-z0-9-]{0,62}$/, "The name of a service has lower-case letters, digits and dashes, and begins with a letter."),
		service,
	)
	.refine((value) => Object.keys(value).length <= 20, "A job has at most 20 services.");
export type ServicesText = z.infer<typeof services>;
