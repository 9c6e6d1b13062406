import * as z from "zod";
import { count, duration, environmentTemplate, isScalar, nonEmpty, nonEmptyTemplate, strict, withShorthand } from "./values.ts";

/** The containers of a job: the one that its steps run in, and the services beside it. */

/** The name of an image as docker takes it; once its expressions are filled in, it is checked again (resolve.ts). */
export const IMAGE = /^[a-z0-9][a-zA-Z0-9._/-]*(:[0-9]+\/[a-zA-Z0-9._/-]+)?(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;
export const IMAGE_FAULT = "is not the name of an image, such as node:24 or registry.lan:5000/team/app:1.2";

/** Whether a text, as far as it has no expressions, can be an image. */
function mayBeImage(value: string): boolean {
	return value.includes("${{") || (value.length <= 400 && IMAGE.test(value));
}

const image = nonEmptyTemplate.refine(mayBeImage, IMAGE_FAULT);

export const PULL = ["always", "missing", "never"] as const;
const pull = z.enum(PULL);

/** Which of the agent's registry credentials are used to get an image. */
export const credentials = nonEmpty.refine(
	(value) => /^[a-z0-9][a-z0-9-]{0,62}$/.test(value),
	"is the name of credentials that the agent has (--registry-credentials): lower-case letters, digits and dashes",
);

/** A name for a volume, or a folder inside the workspace, and where it is put. */
const volume = nonEmpty.refine(
	(value) => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}:\/[^:]+(:ro)?$/.test(value),
	"must be name:/path or name:/path:ro. Folders of the agent are not mounted: whoever runs the agent may allow some (docs/agents.md)",
);
const device = nonEmpty.refine((value) => /^\/dev\/[A-Za-z0-9_/-]+$/.test(value), "must be a device, such as /dev/kvm");

/** Options of `docker run` that cannot break out of the container. */
const options = strict({
	memory: nonEmpty.refine((value) => /^\d+[kmg]?$/i.test(value), "must be a size, such as 512m").optional(),
	cpus: nonEmpty.refine((value) => /^\d+(\.\d+)?$/.test(value), "must be a number, such as 1.5").optional(),
	shm_size: nonEmpty.refine((value) => /^\d+[kmg]?$/i.test(value), "must be a size, such as 256m").optional(),
	network: z.enum(["default", "none"]).optional(),
	read_only: z.boolean().optional(),
	init: z.boolean().optional(),
});

const containerShape = strict({
	image,
	workdir: nonEmpty.refine((value) => value.startsWith("/"), "must be a path inside the container, such as /src").optional(),
	user: nonEmpty
		.refine((value) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/.test(value), "must be a user, such as node or 1000:1000")
		.optional(),
	env: environmentTemplate.optional(),
	volumes: z.array(volume).max(20).optional(),
	devices: z.array(device).max(20).optional(),
	options: options.optional(),
	pull: pull.optional(),
	credentials: credentials.optional(),
});
export const container = withShorthand(containerShape, [{ type: "string" }], (value) => (isScalar(value) ? { image: value } : value));
export type ContainerText = z.infer<typeof container>;

const health = strict({
	command: nonEmpty,
	interval: duration.optional(),
	timeout: duration.optional(),
	retries: count(1, 1000).optional(),
});
const serviceShape = strict({
	image,
	env: environmentTemplate.optional(),
	command: z.array(nonEmptyTemplate).min(1).max(50).optional(),
	health: withShorthand(health, [{ type: "string" }], (value) => (isScalar(value) ? { command: value } : value)).optional(),
	pull: pull.optional(),
	credentials: credentials.optional(),
});
const service = withShorthand(serviceShape, [{ type: "string" }], (value) => (isScalar(value) ? { image: value } : value));
/** The name of a service is its name on the network. */
export const services = z
	.record(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "the name of a service is lower-case letters, digits and dashes"), service)
	.refine((value) => Object.keys(value).length <= 20, "at most 20 services");
export type ServicesText = z.infer<typeof services>;
