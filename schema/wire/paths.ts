/**
 * Whether a path names something inside a folder on any system: relative, normalised (Unicode NFC), without `..`, NUL,
 * backslash or drive letter. Both sides of the wire ask this of every path that comes from elsewhere.
 */
export function isInnerPath(path: string): boolean {
	const isPlain = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
	return isPlain && !/[\0\\]|^[A-Za-z]:/.test(path) && path.normalize("NFC") === path;
}

/** What the paths begin with under which an agent keeps what a job says of itself; no file of a workspace may have such a one. */
export const OWN_ARTIFACTS = "windlass:";

/** Under which path a job's summary, or its test cases, are kept among its files. */
export function ownArtifactPath(kind: "summary" | "tests"): string {
	return `${OWN_ARTIFACTS}${kind}`;
}
