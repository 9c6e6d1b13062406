// The programs of this machine that tests run by name, and the test files that run each.

const e2e = (...names) => names.map((name) => `test/e2e/${name}.test.ts`);

export const PROGRAMS = [
	{ name: "git", package: "git", use: "repositories", files: ["test/{e2e,browser,fuzz,chaos}/**", "test/unit/working_copy.test.ts"] },
	{ name: "chromium", package: "chromium", use: "the pages", files: ["test/browser/**", ...e2e("proxies")] },
	{ name: "git-lfs", package: "git-lfs", use: "large files", files: e2e("agent", "checkouts", "hostile_repositories") },
	{ name: "curl", package: "curl", use: "commands of the docs", files: e2e("api", "guide", "program", "sources") },
	{ name: "openssl", package: "openssl", use: "certificates", files: e2e("agent", "artifacts", "guide", "metrics") },
	{
		name: "python3",
		package: "python3",
		use: "scripts of jobs",
		files: ["test/browser/big_log.test.ts", ...e2e("api", "artifacts", "credentials", "secrets")],
	},
	{ name: "ccache", package: "ccache", use: "build caches", files: e2e("build_caches") },
	{ name: "gcc", package: "gcc", use: "build caches", files: e2e("build_caches") },
	{ name: "faketime", package: "faketime", use: "wrong clocks", files: e2e("logs") },
	{ name: "/usr/sbin/dockerd", package: "docker.io", use: "containers", files: e2e("containers") },
	{ name: "docker", package: "docker.io", use: "containers", files: e2e("containers") },
	{ name: "docker-registry", package: "docker-registry", use: "images", files: e2e("containers") },
	{ name: "busybox", package: "busybox-static", use: "images", files: e2e("containers") },
	{ name: "prometheus", package: "prometheus", use: "metrics", files: e2e("metrics") },
	{ name: "promtool", package: "prometheus", use: "metrics", files: e2e("metrics") },
	{ name: "systemd-analyze", package: "systemd", use: "units of systemd", files: e2e("program") },
	{ name: "/usr/sbin/nginx", package: "nginx-light", use: "reverse proxies", files: e2e("guide", "proxies") },
	{ name: "caddy", package: "caddy", use: "reverse proxies", files: e2e("guide", "proxies") },
];

/** The test files, as globs, that cannot run without these programs. */
export function filesNeeding(programs) {
	return [...new Set(programs.flatMap(({ files }) => files))];
}
