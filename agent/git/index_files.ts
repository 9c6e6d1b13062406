import { formatBytes } from "../../schema/wire/bytes.ts";
import { CheckoutFailed } from "./errors.ts";
import type { Git } from "./git.ts";

/**
 * Finds a configuration file of a commit in git's index: the workspace may hold a link in its
 * place.
 * @returns its object; null if there is no such file
 * @throws CheckoutFailed for a link, or for a file that has more than `limit` bytes
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
	if (size > limit) throw new CheckoutFailed(`${name} has ${formatBytes(size)} in the commit. At most ${formatBytes(limit)} are allowed.`);
	return object;
}
