import manifest from "../../package.json";

/** The version of this coordinator. */
export const VERSION: string = manifest.version;
