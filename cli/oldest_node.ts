/** The oldest version of Node that the program runs on. */
const OLDEST = [22, 19] as const;

/** Node 22 warns of its SQLite, which is what every later version has. */
export function silenceExperiments(): void {
	process.removeAllListeners("warning");
	process.on("warning", ({ name, message }) => {
		if (name !== "ExperimentalWarning") process.stderr.write(`${name}: ${message}\n`);
	});
}

/** Ends the process with one sentence on an older Node. It uses nothing that an old Node may lack. */
export function assertNode(): void {
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
	process.stderr.write(`windlass: Node ${process.versions.node} is too old. Install version ${OLDEST.join(".")} or later.\n`);
	process.exit(2);
}
