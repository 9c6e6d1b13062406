/** The units of systemd: what runs, as whom, and what it may do. */

export const SERVICES = ["coordinator", "agent"] as const;
export type Service = (typeof SERVICES)[number];

export interface UnitOptions {
	/** The user and group that it runs as. */
	user: string;
	/** The folder of its state. */
	folder: string;
	/** The program and its arguments, without those of the service. */
	program: readonly string[];
	/** More variables. */
	variables: Readonly<Record<string, string>>;
}

/** The name of a unit, without its ending. */
export const UNIT_NAMES: Record<Service, string> = { coordinator: "windlass", agent: "windlass-agent" };
/** Where each keeps its state unless somebody says otherwise: systemd makes it. */
export const STATE_FOLDERS: Record<Service, string> = { coordinator: "/var/lib/windlass", agent: "/var/lib/windlass-agent" };

/** What the coordinator needs not, as `systemd-analyze security` lists it. Node and workerd compile code at run time. */
const HARDENING = [
	"NoNewPrivileges=yes",
	"CapabilityBoundingSet=",
	"AmbientCapabilities=",
	"ProtectSystem=strict",
	"ProtectHome=yes",
	"PrivateTmp=yes",
	"PrivateDevices=yes",
	"ProtectClock=yes",
	"ProtectHostname=yes",
	"ProtectKernelLogs=yes",
	"ProtectKernelModules=yes",
	"ProtectKernelTunables=yes",
	"ProtectControlGroups=yes",
	"ProtectProc=invisible",
	"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
	"RestrictNamespaces=yes",
	"RestrictRealtime=yes",
	"RestrictSUIDSGID=yes",
	"LockPersonality=yes",
	"RemoveIPC=yes",
	"SystemCallArchitectures=native",
	"SystemCallFilter=@system-service",
	"SystemCallErrorNumber=EPERM",
] as const;

const OF_SERVICE: Record<Service, { description: string; after: string; lines: readonly string[] }> = {
	coordinator: {
		description: "Windlass coordinator",
		after: "network-online.target",
		lines: [
			"# The signal is for the coordinator alone; the coordinator stops workerd.",
			"KillMode=mixed",
			"TimeoutStopSec=30",
			"# Only what it needs.",
			...HARDENING,
		],
	},
	agent: {
		description: "Windlass agent",
		after: "network-online.target docker.service",
		lines: [
			"# `systemctl reload` looks again for tools, GPUs and Docker.",
			"ExecReload=/bin/kill -USR2 $MAINPID",
			"# The agent stays in the unit's own control group and makes one below it for each job.",
			"Delegate=yes",
			"# A job that runs out of memory fails alone.",
			"OOMPolicy=continue",
			"TasksMax=infinity",
			"# The signal is for the agent alone: it finishes the jobs that run, then ends.",
			"KillMode=mixed",
			"TimeoutStopSec=1h",
			"# Jobs do what the user may do, so there is little more to take away.",
			"ProtectClock=yes",
			"ProtectKernelLogs=yes",
			"ProtectKernelModules=yes",
			"RestrictRealtime=yes",
		],
	},
};

/** The text of a unit. */
export function unitOf(service: Service, { user, folder, program, variables }: UnitOptions): string {
	const { description, after, lines } = OF_SERVICE[service];
	const isUsual = folder === STATE_FOLDERS[service];
	return `${[
		`# Written by windlass service install. Change it with: systemctl edit ${UNIT_NAMES[service]}`,
		"[Unit]",
		`Description=${description}`,
		`After=${after}`,
		"Wants=network-online.target",
		"# Restart it however often it fails.",
		"StartLimitIntervalSec=0",
		"",
		"[Service]",
		`User=${user}`,
		...Object.entries(variables).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
		"# Node itself, not npm: systemd signals the process that it started.",
		`ExecStart=${program.map(quoted).join(" ")}`,
		...(isUsual ? [`StateDirectory=${folder.split("/").at(-1)}`, "StateDirectoryMode=0700"] : [`ReadWritePaths=${quoted(folder)}`]),
		"UMask=0077",
		"Restart=always",
		"RestartSec=1",
		"LimitNOFILE=65536",
		...lines,
		"",
		"[Install]",
		"WantedBy=multi-user.target",
	].join("\n")}\n`;
}

/** A word of a unit: systemd.syntax(7) and systemd.service(5) say what has a meaning in it. */
function quoted(word: string): string {
	const escaped = word.replace(/%/g, "%%").replace(/\$/g, "$$$$").replace(/["\\]/g, "\\$&");
	return /[\s"'\\;]/.test(word) ? `"${escaped}"` : escaped;
}
