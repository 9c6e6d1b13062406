import { ApiError } from "../../schema/wire/errors.ts";
import { isInnerPath } from "../../schema/wire/paths.ts";

/**
 * Checks that a path may name an artifact.
 * @throws ApiError `validation_failed`
 */
export function checkArtifactPath(path: string): void {
	if (isInnerPath(path)) return;
	throw new ApiError("validation_failed", `${JSON.stringify(path)} cannot be the path of an artifact.`, {
		details: { path },
		suggestions: ["A path is relative and normalised (Unicode NFC), without .., backslash, NUL or drive letter."],
	});
}
