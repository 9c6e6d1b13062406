import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import * as z from "zod";
import { nearest } from "../schema/text/nearest_word.ts";
import { formatBytes, parseBytes } from "../schema/wire/bytes.ts";
import { parseDuration } from "../schema/wire/duration.ts";
import { label } from "../schema/wire/labels.ts";
import { MAX_WARM_CACHES } from "../schema/wire/limits.ts";
import { agentName } from "../schema/wire/protocol.ts";
import { type RegistryCredentials, readRegistryCredentials } from "./execution/containers/registries.ts";
import { parseYaml } from "./yaml.ts";

/** The settings of an agent. */
export interface AgentOptions {
	server: string;
	/** A registration token. Only the first start needs it. */
	token: string | null;
	/** Why the agent could not read a registration token; null if it could, or if none is configured. */
	tokenError: string | null;
	name: string;
	slots: number;
	labels: string[];
	/** The folder for the agent's state and its jobs. */
	workDir: string;
	/** Whether the agent ends after one job. */
	once: boolean;
	/** The agent ends when it has been idle for this long; null: never. */
	idleExitMs: number | null;
	/** Certificates (PEM) that the agent trusts besides the system's; null: none. */
	ca: string | null;
	/** Names of the agent's variables that jobs inherit besides the usual ones. */
	passEnv: string[];
	/** The local port of the health endpoint; null: none. */
	healthPort: number | null;
	/** The address that it listens on. */
	healthHost: string;
	/** How much disk space unsent logs may take, in bytes. */
	spoolLimit: number;
	/** How many caches the agent fetches before its first job, and how long that may take, in milliseconds. */
	warm: number;
	warmTimeMs: number;
	/** How much disk the caches on this machine may take, in bytes; 0: none is kept. */
	cacheLimit: number;
	/** Tool → command that prints its version, besides the tools that every agent looks for. */
	probes: Record<string, string>;
	/** Devices that jobs in containers may use. */
	allowDevices: string[];
	/** Whether programs in containers may gain privileges that their parent process does not have. */
	allowNewPrivileges: boolean;
	/** How many processes and threads a container may have. */
	maxProcesses: number;
	/** Registry credentials that jobs may use by name. */
	registryCredentials: Record<string, RegistryCredentials>;
}

const DEFAULT_MAX_PROCESSES = "4096";
/** A container itself needs some; Linux has a maximum. */
const PROCESSES = z.coerce.number().int().min(16).max(4_194_304);
const DEFAULT_SPOOL_LIMIT = "1GiB";
const DEFAULT_CACHE_LIMIT = "10GiB";
const DEFAULT_WARM_TIME = "1m";

/** An invalid setting. The message names the setting and its value or file. */
export class InvalidOption extends Error {
	override name = "InvalidOption";
}

/** The settings of one source, as text. */
type RawOptions = Partial<Record<OptionName, string>>;
const NAMES = [
	"server",
	"token",
	"token-file",
	"name",
	"slots",
	"labels",
	"work-dir",
	"once",
	"idle-exit",
	"ca-file",
	"pass-env",
	"health-port",
	"health-host",
	"spool-limit",
	"cache-limit",
	"warm",
	"warm-time",
	"probes",
	"allow-devices",
	"allow-new-privileges",
	"max-processes",
	"registry-credentials",
] as const;
type OptionName = (typeof NAMES)[number];

/** The variable that sets what the option of this name sets. */
export function variableOf(option: string): string {
	return `WINDLASS_${option.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Merges the settings: flags override the environment, which overrides the file.
 * @param environment WINDLASS_SERVER and so on
 * @param configFile a YAML file with the same names
 * @throws InvalidOption
 */
export function readAgentOptions(flags: RawOptions, environment: NodeJS.ProcessEnv, configFile: string | null): AgentOptions {
	const sources = [fromFile(configFile), fromEnvironment(environment), flags];
	const raw: RawOptions = Object.assign({}, ...sources);
	if (!raw.server) throw new InvalidOption("The agent needs the coordinator's address. Set it with --server http://host:7070.");
	if (!/^https?:\/\//.test(raw.server) || !URL.canParse(raw.server))
		throw new InvalidOption(`server: ${raw.server} is not an HTTP address. Use one such as http://host:7070.`);
	const idleExitMs = raw["idle-exit"] === undefined ? null : parseDuration(raw["idle-exit"]);
	if (raw["idle-exit"] !== undefined && !idleExitMs)
		throw new InvalidOption(`idle-exit: ${raw["idle-exit"]} is not a duration. Use one such as 5m.`);
	return {
		server: raw.server.replace(/\/+$/, ""),
		...tokenOf(sources.findLast((source) => (source.token ?? source["token-file"]) !== undefined)),
		name: checked("name", agentName, raw.name ?? os.hostname().split(".")[0]),
		slots: checked("slots", z.coerce.number().int().min(1).max(1000), raw.slots ?? "1"),
		labels: checked("labels", z.array(label), listOf(raw.labels)),
		workDir: path.resolve(raw["work-dir"] ?? defaultWorkDir()),
		once: checked("once", z.enum(["true", "false"]), raw.once ?? "false") === "true",
		idleExitMs,
		ca: raw["ca-file"] === undefined ? null : certificates(raw["ca-file"]),
		passEnv: checked("pass-env", z.array(variable), listOf(raw["pass-env"])),
		healthPort:
			raw["health-port"] === undefined ? null : checked("health-port", z.coerce.number().int().min(1).max(65_535), raw["health-port"]),
		healthHost: raw["health-host"] ?? "127.0.0.1",
		spoolLimit: spoolLimit(raw["spool-limit"] ?? DEFAULT_SPOOL_LIMIT),
		warm: checked("warm", z.coerce.number().int().min(0).max(MAX_WARM_CACHES), raw.warm ?? "0"),
		warmTimeMs: warmTime(raw["warm-time"] ?? DEFAULT_WARM_TIME),
		cacheLimit: cacheLimit(raw["cache-limit"] ?? DEFAULT_CACHE_LIMIT),
		probes: probesOf(raw.probes),
		...readContainerOptions(raw),
	};
}

/**
 * The registration token of one source: the token itself, a file, or standard input. A registered
 * agent needs none, so a missing file is an error only for an agent that is not registered.
 */
function tokenOf(source: RawOptions | undefined): Pick<AgentOptions, "token" | "tokenError"> {
	const { token, "token-file": file } = source ?? {};
	if (token !== undefined && token !== "-") return { token, tokenError: null };
	if (token === undefined && file === undefined) return { token: null, tokenError: null };
	try {
		const text = (token === "-" ? readText("token", 0) : readText("token-file", file as string)).trim();
		if (text !== "") return { token: text, tokenError: null };
		return {
			token: null,
			tokenError:
				token === "-"
					? "token: Standard input is empty. Write the registration token to it."
					: `token-file: ${file} is empty. Write the registration token to it.`,
		};
	} catch (error) {
		if (!(error instanceof InvalidOption)) throw error;
		return { token: null, tokenError: error.message };
	}
}

/** The settings for jobs in containers. @throws InvalidOption */
export function readContainerOptions(
	raw: RawOptions,
): Pick<AgentOptions, "allowDevices" | "allowNewPrivileges" | "maxProcesses" | "registryCredentials"> {
	return {
		allowNewPrivileges: checked("allow-new-privileges", z.enum(["true", "false"]), raw["allow-new-privileges"] ?? "false") === "true",
		maxProcesses: checked("max-processes", PROCESSES, raw["max-processes"] ?? DEFAULT_MAX_PROCESSES),
		allowDevices: checked("allow-devices", z.array(z.string().startsWith("/dev/")), listOf(raw["allow-devices"])),
		registryCredentials: credentialsIn(raw["registry-credentials"]),
	};
}

function listOf(text: string | undefined): string[] {
	return (text ?? "")
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "");
}

function credentialsIn(file: string | undefined): Record<string, RegistryCredentials> {
	if (file === undefined) return {};
	try {
		return readRegistryCredentials(file);
	} catch (error) {
		throw new InvalidOption(`registry-credentials: ${file}: ${(error as Error).message}`);
	}
}

/** @param text `name=command`, separated by semicolons */
function probesOf(text: string | undefined): Record<string, string> {
	const entries = (text ?? "")
		.split(";")
		.map((entry) => entry.trim())
		.filter(Boolean);
	return Object.fromEntries(
		entries.map((entry) => {
			const [, name, command] = /^([a-z][a-z0-9_+.-]{0,40})=(.+)$/s.exec(entry) ?? [];
			if (name === undefined || command === undefined)
				throw new InvalidOption(`probes: ${entry} does not have the form name=command, with a name in lower case.`);
			return [name, command];
		}),
	);
}

/** A variable that jobs may inherit. The agent's own settings are not for jobs. */
const variable = z
	.string()
	.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "is not the name of a variable")
	.refine((name) => !name.startsWith("WINDLASS_"), "jobs do not inherit WINDLASS_*, the agent's own settings")
	.refine((name) => !/^CI(_|$)/.test(name), "Windlass sets CI and CI_* itself");

function certificates(file: string): string {
	const text = readText("ca-file", file);
	if (/-----BEGIN CERTIFICATE-----/.test(text)) return text;
	throw new InvalidOption(`ca-file: ${file} has no certificate in PEM format.`);
}

function spoolLimit(text: string): number {
	const bytes = parseBytes(text);
	if (bytes !== null && bytes >= MIN_SPOOL_LIMIT) return bytes;
	throw new InvalidOption(
		`spool-limit: ${text} is not a size of at least ${formatBytes(MIN_SPOOL_LIMIT)}. Use one such as 512MiB or 2GiB.`,
	);
}

function warmTime(text: string): number {
	const ms = parseDuration(text);
	if (ms) return ms;
	throw new InvalidOption(`warm-time: ${text} is not a duration. Use one such as 2m.`);
}

function cacheLimit(text: string): number {
	const bytes = parseBytes(text);
	if (bytes !== null) return bytes;
	throw new InvalidOption(`cache-limit: ${text} is not a size. Use one such as 20GiB, or 0 to keep no caches on this machine.`);
}

const MIN_SPOOL_LIMIT = 1024 * 1024;

function defaultWorkDir(): string {
	return path.join(os.homedir(), ".windlass-agent");
}

function checked<Schema extends z.ZodType>(name: OptionName, schema: Schema, value: unknown): z.infer<Schema> {
	const parsed = schema.safeParse(value);
	if (parsed.success) return parsed.data;
	throw new InvalidOption(`${name}: ${JSON.stringify(value)}: ${parsed.error.issues[0]?.message ?? "not valid"}`);
}

function fromEnvironment(environment: NodeJS.ProcessEnv): RawOptions {
	const raw: RawOptions = {};
	for (const name of NAMES) {
		const value = environment[variableOf(name)];
		if (value !== undefined && value !== "") raw[name] = value;
	}
	return raw;
}

function fromFile(file: string | null): RawOptions {
	if (file === null) return {};
	let content: unknown;
	try {
		content = parseYaml(readText("config", file));
	} catch (error) {
		if (error instanceof InvalidOption) throw error;
		throw new InvalidOption(`${file}: ${(error as Error).message.split("\n", 1)[0]}`);
	}
	if (content === null || typeof content !== "object" || Array.isArray(content))
		throw new InvalidOption(`${file} does not hold a map of settings. Write lines such as slots: 2.`);
	const raw: RawOptions = {};
	for (const [key, value] of Object.entries(content)) {
		const name = NAMES.find((known) => known === key.replaceAll("_", "-"));
		if (!name) {
			const near = nearest(key, NAMES);
			throw new InvalidOption(
				`Unknown setting \`${key}\` in ${file}. ${near ? `Did you mean \`${near}\`?` : `Settings: ${NAMES.join(", ")}.`}`,
			);
		}
		raw[name] = textOf(value);
	}
	return raw;
}

/** A setting as text: a list with commas, a map as name=value with semicolons. */
function textOf(value: unknown): string {
	if (Array.isArray(value)) return value.join(",");
	if (value === null || typeof value !== "object") return String(value);
	return Object.entries(value)
		.map(([name, one]) => `${name}=${one}`)
		.join(";");
}

/** @param file a path, or 0 for standard input */
function readText(setting: string, file: string | 0): string {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		throw new InvalidOption(`${setting}: ${file === 0 ? "standard input" : file} cannot be read: ${(error as Error).message}`);
	}
}
