/** A moment as the API writes it: ISO 8601 in UTC. */
export function isoTime(at: number): string;
export function isoTime(at: number | null): string | null;
export function isoTime(at: number | null): string | null {
	return at === null ? null : new Date(at).toISOString();
}
