import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { JobError } from "../../outcome.ts";
import { parseYaml } from "../../yaml.ts";

const entry = z
	.strictObject({
		registry: z.string().min(1),
		username: z.string().min(1),
		password: z.string().min(1).optional(),
		password_file: z.string().min(1).optional(),
	})
	.refine(
		(value) => (value.password === undefined) !== (value.password_file === undefined),
		"needs exactly one of password and password_file",
	);
const file = z.record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "a name is lower-case letters, digits and dashes"), entry);

/** Registry credentials that jobs may use by name. */
export interface RegistryCredentials {
	registry: string;
	username: string;
	password: string;
}

/**
 * Reads a YAML file of `name: {registry, username, password | password_file}`.
 * @throws Error if the file is invalid
 */
export function readRegistryCredentials(name: string): Record<string, RegistryCredentials> {
	const parsed = file.safeParse(parseYaml(readFileSync(name, "utf8")) ?? {});
	if (!parsed.success) {
		const [issue] = parsed.error.issues;
		throw new Error(`${issue?.path.join(".")}: ${issue?.message}`);
	}
	return Object.fromEntries(
		Object.entries(parsed.data).map(([key, { registry, username, password, password_file }]) => [
			key,
			{ registry, username, password: password ?? readFileSync(path.resolve(path.dirname(name), password_file as string), "utf8").trim() },
		]),
	);
}

/** The credentials with which a job may use registries. */
export interface RegistryAccess {
	/** The credentials that the job may name. */
	known: Readonly<Record<string, RegistryCredentials>>;
	/** Whether the job may use no credentials at all, not even those of the agent's user. */
	isAnonymous: boolean;
	/** A folder that only the agent can read and write. */
	folder: string;
}

/** With an empty configuration docker would use the keychain of the agent's user. */
const NOBODY: RegistryCredentials = { registry: "windlass.invalid", username: "nobody", password: "" };

/**
 * The variables that make docker use these credentials, and no others.
 * @param name null: the credentials of the agent's user, if the job may use them
 * @throws JobError for a name that the agent does not have
 */
export async function registryEnvironment(
	{ known, isAnonymous, folder }: RegistryAccess,
	name: string | null,
): Promise<Record<string, string>> {
	if (name === null) return isAnonymous ? dockerWith(NOBODY, path.join(folder, "docker")) : {};
	const credentials = known[name];
	if (!credentials || !Object.hasOwn(known, name)) {
		const others = Object.keys(known).join(", ") || "none";
		throw new JobError(
			"credentials_unavailable",
			`This agent has no registry credentials ${name}; it has ${others}. Add them to the file of --registry-credentials.`,
		);
	}
	return dockerWith(credentials, path.join(folder, `docker-${name}`));
}

async function dockerWith({ registry, username, password }: RegistryCredentials, config: string): Promise<Record<string, string>> {
	await mkdir(config, { recursive: true, mode: 0o700 });
	const auth = Buffer.from(`${username}:${password}`).toString("base64");
	await writeFile(path.join(config, "config.json"), JSON.stringify({ auths: { [registry]: { auth } } }), { mode: 0o600 });
	// DOCKER_AUTH_CONFIG would override the folder.
	return { DOCKER_CONFIG: config, DOCKER_AUTH_CONFIG: "" };
}
