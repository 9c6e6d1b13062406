import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder dist/: the bundled program runs from dist/cli/. */
export const DISTRIBUTION = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
