import { enableCompileCache } from "node:module";
import path from "node:path";

/**
 * The program's entry. Node keeps compiled code in a folder beside the program: the build fills it,
 * and each program that ends adds what it has compiled. A folder that this user cannot write is
 * only read.
 */

enableCompileCache({ directory: path.join(import.meta.dirname, "../compile-cache"), portable: true });

await import("./windlass.ts");
