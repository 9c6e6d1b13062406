import { ApiError } from "../../schema/wire/errors.ts";
import { isInnerPath } from "../../schema/wire/paths.ts";

/**
 * Checks that a path is valid for an artifact.
 * @throws ApiError `validation_failed`
 */
export function checkArtifactPath(path: string): void {
	if (isInnerPath(path)) return;
	throw new ApiError("validation_failed", `${JSON.stringify(path)} is not a valid artifact path.`, {
		details: { path },
		suggestions: ["Use a relative, normalized path (Unicode NFC), without .., backslash, NUL or drive letter."],
	});
}
