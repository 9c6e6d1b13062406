/**
 * Only their user may read the files that the coordinator and workerd write. Jobs of the agent
 * beside them are different: they get the umask that the coordinator was started with.
 */

const PRIVATE = 0o077;
const inherited = process.umask();

/** From now on no other user may read the files that this process and its children write. */
export function keepFilesPrivate(): void {
	process.umask(PRIVATE);
}

/**
 * Starts a process with the umask that this one was started with.
 * @param start must do it before it returns
 */
export function withInheritedUmask<Started>(start: () => Started): Started {
	const own = process.umask(inherited);
	try {
		return start();
	} finally {
		process.umask(own);
	}
}
