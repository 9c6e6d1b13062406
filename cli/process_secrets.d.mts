/** Takes secrets out of this process's variables, and out of what it was started with. */
export declare function takeSecrets(environment?: NodeJS.ProcessEnv): Record<string, string>;
/** Overwrites values in what this process was started with. @returns whether none of them is left */
export declare function overwrite(values: readonly string[]): boolean;
