/**
 * The header of the host's answer for a server that it did not ask: `refused` if its list does not
 * allow the server, else `unreachable`.
 */
export const NOT_ASKED = "X-Windlass-Outbound";
