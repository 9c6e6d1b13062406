import manifest from "../../package.json" with { type: "json" };

/** The version of this coordinator. */
export const VERSION: string = manifest.version;
