import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Argument, Command } from "commander";
import { pairs, repeatable } from "../commands/command.ts";
import { print } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { SERVICES, type Service, STATE_FOLDERS, UNIT_NAMES, unitOf } from "./units.ts";

/** `windlass service`: runs the coordinator or an agent under systemd. */

const DEFAULT_UNITS = "/etc/systemd/system";
/** systemd.directives(7): it exists where systemd is the system's first process. */
const SYSTEMD = "/run/systemd/system";
const EXAMPLE = "\nExample:\n  windlass service install coordinator --set WINDLASS_PUBLIC_URL=https://ci.example.com";

interface InstallFlags {
	user?: string;
	folder?: string;
	server?: string;
	tokenFile?: string;
	set?: string[];
	print?: true;
	unitFolder: string;
}

/** @param isAgentAlone whether this program is the agent alone, which has no other commands */
export function serviceCommand(isAgentAlone = false): Command {
	return new Command("service")
		.description("Run the coordinator or an agent as a service of systemd.")
		.addCommand(installCommand(isAgentAlone))
		.addCommand(uninstallCommand())
		.addCommand(statusCommand())
		.addHelpText("after", EXAMPLE);
}

const which = () => new Argument("<service>", "what runs").choices(SERVICES);
const unitFolder = ["--unit-folder <folder>", "the folder of the units", DEFAULT_UNITS] as const;

function installCommand(isAgentAlone: boolean): Command {
	return new Command("install")
		.description("Write the unit, make its user, enable and start it. Again, it replaces the unit and restarts it.")
		.addArgument(which())
		.option("--user <name>", "the user that it runs as (default: windlass, windlass-agent)")
		.option("--folder <folder>", "the folder of its state (default: /var/lib/windlass, /var/lib/windlass-agent)")
		.option("--server <url>", "agent: the coordinator's address (default: http://127.0.0.1:7070)")
		.option("--token-file <file>", "agent: the file of its registration token (default: /etc/windlass/agent-token)")
		.addOption(repeatable("--set <name=value>", "a variable, such as WINDLASS_PORT=80"))
		.option("--print", "print the unit and do nothing")
		.option(...unitFolder)
		.addHelpText("after", EXAMPLE)
		.action((service: Service, flags: InstallFlags) => {
			if (isAgentAlone && service !== "agent")
				throw new UsageError("This is the package of the agent alone. Install the package windlass for the coordinator.");
			install(service, flags, isAgentAlone ? [] : [service === "agent" ? "agent" : "serve"]);
		});
}

function install(service: Service, flags: InstallFlags, command: readonly string[]): void {
	const name = UNIT_NAMES[service];
	const user = flags.user ?? name;
	if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user)) throw new UsageError(`--user ${user} is not the name of a user.`);
	if (service === "coordinator" && (flags.server !== undefined || flags.tokenFile !== undefined))
		throw new UsageError("--server and --token-file are for the agent.");
	const folder = flags.folder ?? STATE_FOLDERS[service];
	if (!path.isAbsolute(folder)) throw new UsageError(`--folder ${folder} does not begin with a slash.`);
	const text = unitOf(service, { user, folder, program: programOf(service, folder, command), variables: variablesOf(service, flags) });
	if (flags.print) {
		process.stdout.write(text);
		return;
	}
	assertSystemd("install");
	if (spawnSync("id", [user], { stdio: "ignore" }).status !== 0)
		run("useradd", ["--system", "--home-dir", folder, "--shell", "/usr/sbin/nologin", user]);
	if (folder !== STATE_FOLDERS[service]) {
		mkdirSync(folder, { recursive: true, mode: 0o700 });
		run("chown", [`${user}:`, folder]);
	}
	writeFileSync(fileOf(service, flags.unitFolder), text, { mode: 0o644 });
	run("systemctl", ["daemon-reload"]);
	run("systemctl", ["enable", name]);
	run("systemctl", ["restart", name]);
	print(`${name} runs as ${user}, with its state in ${folder}. Its log: journalctl -u ${name}`);
	if (service === "coordinator") print("The log has the admin token, once, and the link to sign in.");
}

function uninstallCommand(): Command {
	return new Command("uninstall")
		.description("Stop and disable it, and remove the unit. Its state and its user stay.")
		.addArgument(which())
		.option(...unitFolder)
		.addHelpText("after", "\nExample:\n  windlass service uninstall agent")
		.action((service: Service, flags: { unitFolder: string }) => {
			assertSystemd("uninstall");
			const file = fileOf(service, flags.unitFolder);
			if (!existsSync(file)) throw new UsageError(`There is no unit ${file}.`);
			run("systemctl", ["disable", "--now", UNIT_NAMES[service]]);
			rmSync(file);
			run("systemctl", ["daemon-reload"]);
			print(`${UNIT_NAMES[service]} is removed. Its state stays in ${STATE_FOLDERS[service]}, unless another folder was chosen.`);
		});
}

function statusCommand(): Command {
	return new Command("status")
		.description("Show whether it runs, and the end of its log.")
		.addArgument(which())
		.addHelpText("after", "\nExample:\n  windlass service status coordinator")
		.action((service: Service) => {
			if (!existsSync(SYSTEMD)) throw new UsageError("systemd does not run on this machine.");
			// Its exit code says whether the service runs.
			process.exitCode =
				spawnSync("systemctl", ["status", "--no-pager", "--lines=20", UNIT_NAMES[service]], { stdio: "inherit" }).status ?? 1;
		});
}

/** The command line of a service: this program, on the Node that runs it. */
function programOf(service: Service, folder: string, command: readonly string[]): string[] {
	const own = [realpathSync(process.execPath), realpathSync(process.argv[1] ?? ""), ...command];
	return service === "coordinator" ? [...own, "--data", folder, "--no-agent"] : [...own, "--work-dir", folder];
}

function variablesOf(service: Service, { server, tokenFile, set = [] }: InstallFlags): Record<string, string> {
	const given = pairs("--set", set);
	const wrong = Object.entries(given).find(([name, value]) => !/^[A-Za-z_]\w*$/.test(name) || /[\n\0]/.test(value));
	if (wrong) throw new UsageError(`--set ${wrong[0]}: a variable has a name of letters, digits and underscores, and a value of one line.`);
	const usual = { WINDLASS_SERVER: server ?? "http://127.0.0.1:7070", WINDLASS_TOKEN_FILE: tokenFile ?? "/etc/windlass/agent-token" };
	return service === "agent" ? { ...usual, ...given } : given;
}

function fileOf(service: Service, folder: string): string {
	return path.join(folder, `${UNIT_NAMES[service]}.service`);
}

/** @throws UsageError where the command cannot work */
function assertSystemd(what: string): void {
	if (!existsSync(SYSTEMD)) throw new UsageError("systemd does not run on this machine. windlass service install --print shows the unit.");
	if (process.getuid?.() !== 0) throw new UsageError(`Only root may ${what} a service. Run it with sudo.`);
}

/** @throws UsageError with what the program says */
function run(program: string, args: readonly string[]): void {
	try {
		execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
	} catch (error) {
		const { stderr = "", message } = error as { stderr?: string; message: string };
		throw new UsageError(`${program} ${args.join(" ")} has failed: ${stderr.trim() || message}`);
	}
}
