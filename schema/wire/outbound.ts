/** The header with which the host answers in place of a server that it did not ask: `refused` if its list does not allow it, else `unreachable`. */
export const NOT_ASKED = "X-Windlass-Outbound";
