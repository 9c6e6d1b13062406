/** The part of WebDAV (RFC 4918) that sccache uses: it asks for the properties of a result before it reads it. */

/** @param found the size and time of a result; null for a folder, of which there is always one */
export function properties(path: string, found: { size: number; at: number } | null): string {
	const type = found ? "<D:resourcetype/>" : "<D:resourcetype><D:collection/></D:resourcetype>";
	const size = found ? `<D:getcontentlength>${found.size}</D:getcontentlength>` : "";
	const at = new Date(found?.at ?? 0).toUTCString();
	return `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:"><D:response><D:href>${escaped(path)}</D:href><D:propstat><D:prop>${type}${size}<D:getlastmodified>${at}</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>
`;
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

function escaped(text: string): string {
	return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
