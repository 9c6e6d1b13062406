/** The R2 key of a pack of logs. It names the team whose queue knows of the pack. */
export function packKey(team: string, id: string): string {
	return `packs/${team}/${id}.log`;
}

export function teamOfPack(key: string): string {
	return key.split("/")[1] ?? "";
}
