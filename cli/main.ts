import module from "node:module";
import path from "node:path";
import { assertNode, silenceExperiments } from "./oldest_node.ts";

/**
 * The program's entry. Node keeps compiled code in a folder beside the program: the build fills it,
 * and each program that ends adds what it has compiled. A folder that this user cannot write is
 * only read.
 */

// An older Node does not know modules that the rest imports.
assertNode();
silenceExperiments();
module.enableCompileCache(path.join(import.meta.dirname, "../compile-cache"));

await import("./windlass.ts");
