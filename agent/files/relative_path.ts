/** The names in a relative path, without empty ones and `.`. */
export function namesIn(relative: string): string[] {
	return relative.split("/").filter((name) => name !== "" && name !== ".");
}

/** Joins two parts of a path. The first may be empty. */
export function joinPath(folder: string, name: string): string {
	return folder === "" ? name : `${folder}/${name}`;
}
