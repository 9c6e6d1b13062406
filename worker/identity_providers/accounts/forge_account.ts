import * as z from "zod";
import { ApiError } from "../../../schema/wire/errors.ts";
import { providerFetch } from "../provider_fetch.ts";
import type { ProviderRow } from "../store.ts";
import { type Account, domainOf } from "./account.ts";

/** The account of an access token of GitHub or Gitea, from their API. */

const PAGE_LENGTH = 50;
/** Accounts in more organizations or teams than fit on so many pages are cut. */
const MOST_PAGES = 10;

const user = z.object({ id: z.number().int(), login: z.string() });
const emails = z.array(z.object({ email: z.string(), verified: z.boolean() }));
/** GitHub calls an organization by its login, Gitea by its username. */
const organization = z.object({ login: z.string().optional(), username: z.string().optional(), name: z.string().optional() });
const organizations = z.array(organization);
const teams = z.array(z.object({ slug: z.string().optional(), name: z.string(), organization: organization.nullish() }));

/** @throws ApiError `unavailable` if the API does not answer as expected */
export async function forgeAccount({ kind, url }: ProviderRow, accessToken: string): Promise<Account> {
	const base = url.replace(/\/+$/, "");
	const api = kind === "gitea" ? `${base}/api/v1` : base === "https://github.com" ? "https://api.github.com" : `${base}/api/v3`;
	const ask = { api, accessToken };
	const [{ id, login }, addresses, orgs, ofTeams] = await Promise.all([
		read(ask, "/user", user),
		read(ask, "/user/emails", emails),
		readAll(ask, "/user/orgs", organizations),
		readAll(ask, "/user/teams", teams),
	]);
	return {
		subject: String(id),
		username: login,
		domains: addresses.filter(({ verified }) => verified).map(({ email }) => domainOf(email)),
		organizations: orgs.map(nameOf),
		groups: ofTeams.flatMap(({ slug, name, organization: of }) => (of ? [`${nameOf(of)}/${slug ?? name}`] : [])),
	};
}

function nameOf({ login, username, name }: z.infer<typeof organization>): string {
	return login ?? username ?? name ?? "";
}

interface Asked {
	api: string;
	accessToken: string;
}

async function readAll<Item>(asked: Asked, path: string, shape: z.ZodType<Item[]>): Promise<Item[]> {
	const all: Item[] = [];
	for (let page = 1; page <= MOST_PAGES; page += 1) {
		const items = await read(asked, `${path}?per_page=${PAGE_LENGTH}&limit=${PAGE_LENGTH}&page=${page}`, shape);
		all.push(...items);
		if (items.length < PAGE_LENGTH) break;
	}
	return all;
}

async function read<Shape extends z.ZodType>({ api, accessToken }: Asked, path: string, shape: Shape): Promise<z.infer<Shape>> {
	const headers = { Accept: "application/json", Authorization: `Bearer ${accessToken}`, "User-Agent": "windlass" };
	const response = await providerFetch(api + path, { headers });
	const text = await response.text();
	const body = response.ok ? shape.safeParse(parsed(text)) : null;
	if (body?.success) return body.data;
	throw new ApiError(
		"unavailable",
		`${new URL(api).host} answers ${response.status} to ${path.split("?")[0]}, and not with what it should.`,
		{
			suggestions: ["Sign in again. If it stays so, the application at the forge may lack a right: see docs/how-to/sign-in.md."],
		},
	);
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
