/** The files and folders in the folder of an attempt. A job asks several times, so nothing is joined. */
export function attemptPaths(folder: string) {
	const files = `${folder}/files`;
	// A job can replace what it can write to by a link, so the agent writes to folders of its own.
	return {
		workspace: `${folder}/workspace`,
		steps: `${folder}/steps`,
		own: `${folder}/own`,
		emptyHome: `${folder}/empty-home`,
		// A short name: the path of a socket in it has at most 107 bytes (unix(7)).
		temporary: `${folder}/t`,
		home: `${folder}/home`,
		credentials: `${folder}/credentials`,
		files,
		output: `${files}/output`,
		summary: `${files}/summary`,
		variables: `${files}/env`,
		path: `${files}/path`,
	};
}
