import * as z from "zod";

/** A session of the status page. */
export const session = z.object({
	id: z.string(),
	/** The name of the token that opened it. */
	name: z.string(),
	/** The User-Agent of the browser. */
	user_agent: z.string(),
	/** The client's address; for IPv6 its network. */
	address: z.string(),
	created_at: z.string(),
	expires_at: z.string(),
	/** Whether it is the session of this request. */
	is_current: z.boolean(),
});
export type Session = z.infer<typeof session>;
