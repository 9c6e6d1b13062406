import { globSync, readFileSync } from "node:fs";
import path from "node:path";

/** One address of the coordinator, as its source declares it. */
export interface DeclaredRoute {
	method: string;
	/** With `:names` for what stands in it. */
	path: string;
}

const WORKER = path.resolve(import.meta.dirname, "../../../worker");
const DECLARATION = /\b(?:pageRoute|route)\(\{\s*method: "([A-Z]+)",\s*path: "([^"]+)"/g;

/** Every route there is: read from the source, because the Worker runs in another process and a list of our own would grow old. */
export const DECLARED_ROUTES: readonly DeclaredRoute[] = globSync("**/*.ts", { cwd: WORKER })
	.sort()
	.flatMap((file) => [...readFileSync(path.join(WORKER, file), "utf8").matchAll(DECLARATION)])
	.map(([, method = "", path = ""]) => ({ method, path }));
