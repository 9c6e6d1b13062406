/**
 * Whether a path names something inside a folder on any system: relative, normalised (Unicode NFC), without `..`, NUL,
 * backslash or drive letter. Both sides of the wire ask this of every path that comes from elsewhere.
 */
export function isInnerPath(path: string): boolean {
	const isPlain = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
	return isPlain && !/[\0\\]|^[A-Za-z]:/.test(path) && path.normalize("NFC") === path;
}
