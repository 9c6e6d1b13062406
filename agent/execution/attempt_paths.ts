import path from "node:path";

/** The files and folders in the folder of an attempt. */
export function attemptPaths(folder: string) {
	const files = path.join(folder, "files");
	// A job can replace what it can write to by a link, so the agent writes to folders of its own.
	return {
		workspace: path.join(folder, "workspace"),
		steps: path.join(folder, "steps"),
		own: path.join(folder, "own"),
		emptyHome: path.join(folder, "empty-home"),
		// A short name: the path of a socket in it has at most 107 bytes (unix(7)).
		temporary: path.join(folder, "t"),
		home: path.join(folder, "home"),
		credentials: path.join(folder, "credentials"),
		files,
		output: path.join(files, "output"),
		summary: path.join(files, "summary"),
	};
}
