/** The people who write the commits of the content, and the bot. */
export const PEOPLE = {
	ada: "Ada Okafor <ada@acme.example>",
	grace: "Grace Lindqvist <grace@acme.example>",
	kim: "Kim Tran <kim@acme.example>",
	renovate: "renovate[bot] <renovate@acme.example>",
	jonas: "Jonas Weber <jonas@weber.example>",
} as const;
export type Person = keyof typeof PEOPLE;
