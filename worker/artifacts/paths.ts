import { ApiError } from "../../schema/wire/errors.ts";

/**
 * Checks that a path may name an artifact: relative, normalised, without what could lead out of a folder on any system.
 * @throws ApiError `validation_failed`
 */
export function checkArtifactPath(path: string): void {
	const parts = path.split("/");
	const isBad =
		parts.some((part) => part === "" || part === "." || part === "..") ||
		path.includes("\0") ||
		path.includes("\\") ||
		/^[A-Za-z]:/.test(path) ||
		path.normalize("NFC") !== path;
	if (!isBad) return;
	throw new ApiError("validation_failed", `${JSON.stringify(path)} cannot be the path of an artifact.`, {
		details: { path },
		suggestions: ["A path is relative and normalised (Unicode NFC), without .., backslash, NUL or drive letter."],
	});
}
