/** An archive that cannot become part of a workspace. The sentence names the entry. */
export class BadArchive extends Error {
	override name = "BadArchive";
}
