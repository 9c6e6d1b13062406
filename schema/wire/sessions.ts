import * as z from "zod";

/** Somebody who is signed in to the status page. */
export const session = z.object({
	id: z.string(),
	/** Whose token it was opened with. */
	name: z.string(),
	/** What the browser calls itself. */
	user_agent: z.string(),
	/** Where it came from; of IPv6 the network. */
	address: z.string(),
	created_at: z.string(),
	expires_at: z.string(),
	/** Whether it is the one that asks. */
	is_current: z.boolean(),
});
export type Session = z.infer<typeof session>;
