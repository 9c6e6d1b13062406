// Plain JavaScript: the bootstrap runs it before anything is installed or built.
import path from "node:path";

/**
 * `npm run` and `npm exec` prepend `node_modules/.bin` of a folder and of its parents, and after
 * these this folder.
 */
const NPM_END = "node-gyp-bin";
const NPM_ENTRY = path.join("node_modules", ".bin");

/**
 * The PATH without the entries that npm prepends: jobs and probes find the same programs as the
 * agent's user. npm within npm prepends several groups of them.
 * @param text a PATH
 */
export function userPath(text) {
	const kept = [];
	for (const entry of text.split(path.delimiter)) {
		if (path.basename(entry) !== NPM_END) {
			kept.push(entry);
			continue;
		}
		while (kept.at(-1)?.endsWith(path.sep + NPM_ENTRY)) kept.pop();
	}
	return kept.join(path.delimiter);
}
