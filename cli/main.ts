import module from "node:module";
import path from "node:path";

/**
 * The program's entry. Node keeps compiled code in a folder beside the program: the build fills it,
 * and each program that ends adds what it has compiled. A folder that this user cannot write is
 * only read. Versions of Node that are too old for the program may lack the function.
 */

module.enableCompileCache?.(path.join(import.meta.dirname ?? ".", "../compile-cache"));

await import("./windlass.ts");
