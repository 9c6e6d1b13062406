import * as z from "zod";
import { PULL } from "../../wire/work.ts";
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

/** The containers of a job: the one that its steps run in, and the services beside it. */

/** The name of an image as docker takes it; once its expressions are filled in, it is checked again (resolve.ts). */
export const IMAGE = /^[a-z0-9][a-zA-Z0-9._/-]*(:[0-9]+\/[a-zA-Z0-9._/-]+)?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;
export const IMAGE_ERROR = "is not the name of an image, such as node:24 or registry.lan:5000/team/app:1.2";

/** Whether a text, as far as it has no expressions, can be an image. */
function mayBeImage(value: string): boolean {
	return value.includes("${{") || (value.length <= 400 && IMAGE.test(value));
}

const image = nonEmptyTemplate.refine(mayBeImage, IMAGE_ERROR);

const pull = z.enum(PULL);

/** Which of the agent's registry credentials are used to get an image. */
export const credentials = nonEmpty.refine(
	(value) => /^[a-z0-9][a-z0-9-]{0,62}$/.test(value),
	"is the name of credentials that the agent has (--registry-credentials): lower-case letters, digits and dashes",
);

/** The name of a volume, and where it is put. */
const VOLUME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}:\/[^:]+(:ro)?$/;
const volume = nonEmpty.refine(
	(value) => VOLUME.test(value),
	"must be name:/path or name:/path:ro. Folders of the agent are never mounted",
);
const device = nonEmpty.refine((value) => /^\/dev\/[A-Za-z0-9_/-]+$/.test(value), "must be a device, such as /dev/kvm");

/** A size as docker takes it. */
function dockerSize(example: string) {
	return nonEmpty.refine((value) => /^0*[1-9]\d*[kmg]?$/i.test(value), `must be a size, such as ${example}`);
}

/** Docker gives no less; and 0 would be no limit at all. */
const LEAST_CPUS = 0.01;

/** Options of `docker run` that cannot break out of the container. */
const options = strict({
	memory: dockerSize("512m").optional().describe("The memory that it may use, such as `512m`."),
	cpus: nonEmpty
		.refine(
			(value) => /^\d+(\.\d+)?$/.test(value) && Number(value) >= LEAST_CPUS,
			`must be a number of at least ${LEAST_CPUS}, such as 1.5`,
		)
		.optional()
		.describe("The processor time that it may use, such as `1.5`."),
	shm_size: dockerSize("256m").optional().describe("The size of `/dev/shm`, such as `256m`."),
	network: z.enum(["default", "none"]).optional().describe("`none`: the job reaches nothing; it can have no services then."),
	read_only: flag.optional().describe("Whether the image's own files cannot be changed."),
	init: flag.optional().describe("Whether a small init process looks after orphans."),
});

/** What every container has. */
const containerKeys = {
	image: image.describe("The image, such as `node:24`."),
	env: environmentTemplate.optional().describe("Variables of everything in the container."),
	pull: pull
		.optional()
		.describe(
			"`missing`: where the agent does not have the image; `always`: before each job; `never`: it must be there. Default: `missing`.",
		),
	credentials: credentials.optional().describe("Which of the agent's registry credentials are used. Default: those of its own Docker."),
};

/** Whether a folder of a container can be given to its workspace: not the whole of it, and not what is mounted for the agent's own files. */
function canBeWorkdir(value: string): boolean {
	const isPlain = /^(\/[^/:\p{Cc}]+)+\/?$/u.test(value) && !/\/\.\.?(\/|$)/.test(value);
	return isPlain && !/^\/windlass(\/|$)/.test(value);
}

/** Where a job has what the agent gives it: the workspace, unless `workdir` says otherwise, and the agent's own files. */
const WORKSPACE = "/workspace";
const OWN_FILES = "/windlass";

/** What is wrong with where a volume is put; null if it hides nothing that the agent gives to the job. */
export function volumeError(volume: string, workdir: string | null): string | null {
	const place = normalized(volume.split(":")[1] ?? "/");
	const hidden = [WORKSPACE, OWN_FILES, normalized(workdir ?? WORKSPACE)].find((given) => isWithin(place, given) || isWithin(given, place));
	return hidden === undefined ? null : `would be mounted over ${hidden}, which the agent gives to the job; use a path outside of it`;
}

/** An absolute path as the system takes it, without links. */
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
		.refine(canBeWorkdir, "must be a folder inside the container, such as /src: absolute, without : and .., and neither / nor in /windlass")
		.optional()
		.describe("Where the workspace is in it. Default: `/workspace`."),
	user: nonEmpty
		.refine((value) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/.test(value), "must be a user, such as node or 1000:1000")
		.optional()
		.describe("Who runs the steps. Default: the image's own. The files are the agent's again afterwards."),
	volumes: z.array(volume).max(20).optional().describe("Named volumes of the agent's Docker: `name:/path`, or `name:/path:ro`."),
	devices: z.array(device).max(20).optional().describe("Devices of the agent, those that it allows (`--allow-devices`)."),
	options: options.optional().describe("Further options of the container."),
}).superRefine(({ volumes, workdir }, context) => {
	for (const [index, one] of (volumes ?? []).entries()) {
		const message = VOLUME.test(one) ? volumeError(one, workdir ?? null) : null;
		if (message !== null) context.addIssue({ code: "custom", path: ["volumes", index], message });
	}
});
export const container = withShorthand(containerShape, [{ type: "string" }], (value) => (isScalar(value) ? { image: value } : value));
export type ContainerText = z.infer<typeof container>;

const health = strict({
	command: command.describe("A shell command in the service that succeeds when it is healthy."),
	interval: duration.optional().describe("The pause between two looks. Default: 1s."),
	timeout: duration.optional().describe("How long a look may take. Default: 5s."),
	retries: count(1, 1000).optional().describe("After so many looks that failed in a row it is unhealthy. Default: 60."),
});
const serviceShape = strict({
	...containerKeys,
	command: z.array(nonEmptyTemplate).min(1).max(50).optional().describe("What runs in it, word by word. Default: the image's own."),
	health: withShorthand(health, [{ type: "string" }], (value) => (isScalar(value) ? { command: value } : value))
		.optional()
		.describe("When it is healthy: a command alone, or a map. Default: the image's own health check."),
});
const service = withShorthand(serviceShape, [{ type: "string" }], (value) => (isScalar(value) ? { image: value } : value));
/** The name of a service is its name on the network. */
export const services = z
	.record(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "the name of a service is lower-case letters, digits and dashes"), service)
	.refine((value) => Object.keys(value).length <= 20, "at most 20 services");
export type ServicesText = z.infer<typeof services>;
