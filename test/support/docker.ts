import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type AtEnd, eventually, processesNaming, temporaryFolder } from "./processes.ts";

/** A Docker daemon of one's own, with nothing but an image of busybox: real containers, without a network. */
export class TestDocker {
	readonly host: string;
	readonly folder: string;
	#daemon: ReturnType<typeof spawn> | null = null;

	private constructor(folder: string) {
		this.folder = folder;
		this.host = `unix://${folder}/docker.sock`;
	}

	/** One that is not started yet. */
	static prepare(atEnd: AtEnd): TestDocker {
		const docker = new TestDocker(temporaryFolder(atEnd));
		atEnd(() => docker.stop());
		return docker;
	}

	/** Starts the daemon, once more if it was stopped. */
	async up(): Promise<void> {
		const at = (name: string) => path.join(this.folder, name);
		const options = ["--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--insecure-registry=127.0.0.1"];
		const places = ["-H", this.host, "--data-root", at("root"), "--exec-root", at("exec"), "--pidfile", at("pid")];
		this.#daemon = spawn("/usr/sbin/dockerd", [...options, ...places], {
			stdio: "ignore",
			// It starts programs of its own that lie beside it.
			env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
		});
		await eventually(() => this.try("version") !== null, "a Docker daemon that answers", 30_000);
	}

	async stop(): Promise<void> {
		const daemon = this.#daemon;
		if (daemon && daemon.exitCode === null && daemon.signalCode === null) {
			const ended = new Promise((resolve) => daemon.once("exit", resolve));
			daemon.kill("SIGTERM");
			await ended;
		}
		// One that was killed leaves its mounts, and a folder with mounts cannot be removed.
		const mounts = readFileSync("/proc/self/mounts", "utf8")
			.split("\n")
			.map((line) => line.split(" ")[1] ?? "");
		for (const mount of mounts.filter((place) => place.startsWith(`${this.folder}/`)).reverse()) execFileSync("umount", [mount]);
	}

	/** Ends the daemon as a crash would, and with it every container. */
	async kill(): Promise<void> {
		const daemon = this.#daemon;
		if (!daemon) return;
		const ended = new Promise((resolve) => daemon.once("exit", resolve));
		daemon.kill("SIGKILL");
		await ended;
		// What it has started lives on, and would with it come back.
		for (const pid of processesNaming(this.folder)) process.kill(pid, "SIGKILL");
	}

	run(...args: string[]): string {
		return execFileSync("docker", args, {
			encoding: "utf8",
			env: { ...process.env, DOCKER_HOST: this.host },
			stdio: ["ignore", "pipe", "pipe"],
		}).trim();
	}

	try(...args: string[]): string | null {
		try {
			return this.run(...args);
		} catch {
			return null;
		}
	}

	/** Every container and network that jobs have left. */
	leftovers(): string[] {
		const containers = this.run("ps", "--all", "--format", "{{.Names}}").split("\n");
		const networks = this.run("network", "ls", "--format", "{{.Name}}").split("\n");
		return [...containers, ...networks.filter((name) => name.startsWith("windlass"))].filter(Boolean);
	}

	/** `test/busybox:1`: a shell, its tools, and a user called node. */
	importBusybox(): void {
		const applets = execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
		this.#import("test/busybox:1", applets, []);
	}

	/** `test/git:1`: the same with git, which can ask servers over HTTP. */
	importGit(): void {
		const programs = ["/usr/bin/git", "/usr/lib/git-core/git-remote-http"];
		const libraries = execFileSync("ldd", programs, { encoding: "utf8" }).match(/\/\S+(?= \()/g) ?? [];
		const applets = execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
		this.#import("test/git:1", applets, [...programs, ...new Set(libraries)]);
	}

	/** `test/bare:1`: a shell and next to nothing. */
	importBare(): void {
		this.#import("test/bare:1", ["sh", "id", "sleep"], []);
	}

	/** An image of this name, made from another one. */
	derive(name: string, from: string, instruction: string): void {
		const folder = path.join(this.folder, "contexts", name);
		mkdirSync(folder, { recursive: true });
		writeFileSync(path.join(folder, "Dockerfile"), `FROM ${from}\n${instruction}\n`);
		this.run("build", "--quiet", "--tag", name, folder);
	}

	/** @param programs files of this machine that the image has, too */
	#import(name: string, applets: readonly string[], programs: readonly string[]): void {
		const root = path.join(this.folder, "images", name);
		for (const folder of ["bin", "etc", "tmp", "root"]) mkdirSync(path.join(root, folder), { recursive: true });
		copyFileSync("/bin/busybox", path.join(root, "bin/busybox"));
		for (const applet of applets) if (applet !== "busybox") symlinkSync("busybox", path.join(root, "bin", applet));
		for (const program of programs) {
			mkdirSync(path.dirname(path.join(root, program)), { recursive: true });
			copyFileSync(program, path.join(root, program));
		}
		writeFileSync(path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\n");
		writeFileSync(path.join(root, "etc/group"), "root:x:0:\nnode:x:1000:\n");
		execFileSync("sh", ["-c", `tar -C '${root}' -c . | docker import - ${name}`], {
			env: { ...process.env, DOCKER_HOST: this.host },
			stdio: "ignore",
		});
	}
}
