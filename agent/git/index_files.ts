import { formatBytes } from "../../schema/wire/bytes.ts";
import { CheckoutFailed, type Git } from "./git.ts";

/** Files of a commit that the agent or git reads to know what else to fetch. They are read from git's objects, never from the workspace. */

/**
 * Finds a file in the index.
 * @returns its object; null if there is no such file
 * @throws CheckoutFailed for one that is a link, or has more than `limit` bytes
 */
export async function readIndexFile(git: Git, name: string, limit: number): Promise<string | null> {
	const listing = await git.text("ls-files", "--stage", "-z", "--", `:(top,literal)${name}`);
	const entry = listing
		.split("\0")
		.map((line) => /^(\d+) ([0-9a-f]+) \d\t(.*)$/s.exec(line))
		.find((match) => match?.[3] === name);
	const [, mode, object] = entry ?? [];
	if (mode === undefined || object === undefined) return null;
	if (!mode.startsWith("100")) throw new CheckoutFailed(`${name} is not a regular file in the commit. Replace it by one.`);
	const size = Number(await git.output("cat-file", "-s", object));
	if (size > limit) throw new CheckoutFailed(`${name} has ${formatBytes(size)} in the commit; at most ${formatBytes(limit)} are read.`);
	return object;
}
