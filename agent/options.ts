import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { nearest } from "../schema/pipeline/validate/suggest.ts";
import { formatBytes, parseBytes } from "../schema/wire/bytes.ts";
import { parseDuration } from "../schema/wire/duration.ts";
import { label } from "../schema/wire/labels.ts";
import { agentName } from "../schema/wire/protocol.ts";
import { type RegistryCredentials, readRegistryCredentials } from "./execution/containers/registries.ts";

/** How an agent is set up. */
export interface AgentOptions {
	server: string;
	/** A registration token; needed for the first start only. */
	token: string | null;
	/** Why there is none, although one was to be read. */
	tokenError: string | null;
	name: string;
	slots: number;
	labels: string[];
	/** The agent's state and the folders of its jobs. */
	workDir: string;
	/** End after one job. */
	once: boolean;
	/** End after having been idle for this long; null: never. */
	idleExitMs: number | null;
	/** Certificates (PEM) to trust beside the system's; null: the system's only. */
	ca: string | null;
	/** Names of the agent's own variables that jobs inherit beside the usual ones. */
	passEnv: string[];
	/** Where it answers for its health on this machine; null: nowhere. */
	healthPort: number | null;
	/** How much disk unsent logs may take, in bytes. */
	spoolLimit: number;
	/** Tool → command that says its version, beside those that every agent looks for. */
	probes: Record<string, string>;
	/** Devices that jobs in containers may have. */
	allowDevices: string[];
	/** Whether programs in containers may gain rights that who starts them does not have. */
	allowNewPrivileges: boolean;
	/** How many processes and threads a container may have. */
	maxProcesses: number;
	/** Credentials for registries that jobs may use by name. */
	registryCredentials: Record<string, RegistryCredentials>;
}

const DEFAULT_MAX_PROCESSES = "4096";
/** A container needs some for itself; more than this no Linux has. */
const PROCESSES = z.coerce.number().int().min(16).max(4_194_304);
const DEFAULT_SPOOL_LIMIT = "1GiB";

/** A setting that is not usable; the sentence names it and where it comes from. */
export class BadOption extends Error {
	override name = "BadOption";
}

/** The settings by name, as text, from one of their sources. */
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
	"spool-limit",
	"probes",
	"allow-devices",
	"allow-new-privileges",
	"max-processes",
	"registry-credentials",
] as const;
type OptionName = (typeof NAMES)[number];

/**
 * Puts the settings together: flags win over the environment, which wins over the file.
 * @param flags as given on the command line
 * @param environment WINDLASS_SERVER and so on
 * @param configFile a YAML file with the same names
 * @throws BadOption
 */
export function readAgentOptions(flags: RawOptions, environment: NodeJS.ProcessEnv, configFile: string | null): AgentOptions {
	const sources = [fromFile(configFile), fromEnvironment(environment), flags];
	const raw: RawOptions = Object.assign({}, ...sources);
	if (!raw.server) throw new BadOption("the agent needs the coordinator's address: --server http://host:7070");
	if (!/^https?:\/\//.test(raw.server) || !URL.canParse(raw.server))
		throw new BadOption(`server: ${raw.server} is not an address like http://host:7070`);
	const idleExitMs = raw["idle-exit"] === undefined ? null : parseDuration(raw["idle-exit"]);
	if (raw["idle-exit"] !== undefined && !idleExitMs) throw new BadOption(`idle-exit: ${raw["idle-exit"]} is not a duration like 5m`);
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
		spoolLimit: spoolLimit(raw["spool-limit"] ?? DEFAULT_SPOOL_LIMIT),
		probes: probesOf(raw.probes),
		...readContainerOptions(raw),
	};
}

/**
 * The registration token as one source gives it: itself, in a file, or on standard input. An agent that is registered needs none:
 * that a file is gone, or empty, is told only to one that is not.
 */
function tokenOf(source: RawOptions | undefined): Pick<AgentOptions, "token" | "tokenError"> {
	const { token, "token-file": file } = source ?? {};
	if (token !== undefined && token !== "-") return { token, tokenError: null };
	if (token === undefined && file === undefined) return { token: null, tokenError: null };
	try {
		const text = (token === "-" ? readText("token", 0) : readText("token-file", file as string)).trim();
		if (text !== "") return { token: text, tokenError: null };
		return { token: null, tokenError: token === "-" ? "token: standard input is empty" : `token-file: ${file} is empty` };
	} catch (error) {
		if (!(error instanceof BadOption)) throw error;
		return { token: null, tokenError: error.message };
	}
}

/** What jobs in containers may have of the machine. @throws BadOption */
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
		throw new BadOption(`registry-credentials: ${file}: ${(error as Error).message}`);
	}
}

/** `name=command`, with semicolons between. */
function probesOf(text: string | undefined): Record<string, string> {
	const entries = (text ?? "")
		.split(";")
		.map((entry) => entry.trim())
		.filter(Boolean);
	return Object.fromEntries(
		entries.map((entry) => {
			const [, name, command] = /^([a-z][a-z0-9_+.-]{0,40})=(.+)$/s.exec(entry) ?? [];
			if (name === undefined || command === undefined)
				throw new BadOption(`probes: ${entry} is not of the form name=command, with a name in lower case`);
			return [name, command];
		}),
	);
}

/** A variable that may be passed on; what the agent itself is told is none of a job's business. */
const variable = z
	.string()
	.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "is not the name of a variable")
	.refine((name) => !name.startsWith("WINDLASS_"), "WINDLASS_* is the agent's own and is not passed on")
	.refine((name) => !/^CI(_|$)/.test(name), "CI and CI_* are set by Windlass");

function certificates(file: string): string {
	const text = readText("ca-file", file);
	if (/-----BEGIN CERTIFICATE-----/.test(text)) return text;
	throw new BadOption(`ca-file: ${file} holds no certificate in PEM`);
}

function spoolLimit(text: string): number {
	const bytes = parseBytes(text);
	if (bytes !== null && bytes >= LEAST_SPOOL) return bytes;
	throw new BadOption(`spool-limit: ${text} is not a size of at least ${formatBytes(LEAST_SPOOL)}, such as 512MiB or 2GiB`);
}

const LEAST_SPOOL = 1024 * 1024;

function defaultWorkDir(): string {
	return path.join(os.homedir(), ".windlass-agent");
}

function checked<Schema extends z.ZodType>(name: OptionName, schema: Schema, value: unknown): z.infer<Schema> {
	const parsed = schema.safeParse(value);
	if (parsed.success) return parsed.data;
	throw new BadOption(`${name}: ${JSON.stringify(value)}: ${parsed.error.issues[0]?.message ?? "not valid"}`);
}

function fromEnvironment(environment: NodeJS.ProcessEnv): RawOptions {
	const raw: RawOptions = {};
	for (const name of NAMES) {
		const variable = `WINDLASS_${name.toUpperCase().replaceAll("-", "_")}`;
		const value = environment[variable];
		if (value !== undefined && value !== "") raw[name] = value;
	}
	return raw;
}

function fromFile(file: string | null): RawOptions {
	if (file === null) return {};
	let content: unknown;
	try {
		content = parse(readText("config", file));
	} catch (error) {
		if (error instanceof BadOption) throw error;
		throw new BadOption(`${file}: ${(error as Error).message.split("\n", 1)[0]}`);
	}
	if (content === null || typeof content !== "object" || Array.isArray(content)) throw new BadOption(`${file}: expected a map of settings`);
	const raw: RawOptions = {};
	for (const [key, value] of Object.entries(content)) {
		const name = NAMES.find((known) => known === key.replaceAll("_", "-"));
		if (!name) {
			const near = nearest(key, NAMES);
			throw new BadOption(`${file}: unknown setting ${key}${near ? `; did you mean ${near}?` : `; known: ${NAMES.join(", ")}`}`);
		}
		raw[name] = textOf(value);
	}
	return raw;
}

/** A setting as text: lists with commas, maps as name=value with semicolons between. */
function textOf(value: unknown): string {
	if (Array.isArray(value)) return value.join(",");
	if (value === null || typeof value !== "object") return String(value);
	return Object.entries(value)
		.map(([name, one]) => `${name}=${one}`)
		.join(";");
}

/** @param file its path, or 0 for standard input */
function readText(setting: string, file: string | 0): string {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		throw new BadOption(`${setting}: ${file === 0 ? "standard input" : file} cannot be read: ${(error as Error).message}`);
	}
}
