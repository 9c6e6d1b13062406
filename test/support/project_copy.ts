import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { type AtEnd, temporaryFolder } from "./processes.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const COPIED = [".dev.vars.example", "worker", "schema", "deploy", "package.json", "tsconfig.json", "wrangler.toml"];

/** A copy of the project as a developer clones it, with the same packages. @param without packages that it does not have */
export function projectCopy(atEnd: AtEnd, without: readonly string[] = []): string {
	const folder = path.join(temporaryFolder(atEnd), "clone");
	for (const name of COPIED) cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
	const packages = path.join(ROOT, "node_modules");
	if (without.length === 0) {
		symlinkSync(packages, path.join(folder, "node_modules"));
		return folder;
	}
	mkdirSync(path.join(folder, "node_modules"));
	for (const name of readdirSync(packages))
		if (!without.includes(name)) symlinkSync(path.join(packages, name), path.join(folder, "node_modules", name));
	return folder;
}
