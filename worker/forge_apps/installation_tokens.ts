import * as z from "zod";
import { NotSent, send } from "../outbound/send.ts";
import { appToken } from "./app_key.ts";

/**
 * The tokens of a GitHub App for one repository where it is installed. They last an hour.
 * @see https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app
 */

/** An App, and the repository that a token of it is for. */
export interface Installation {
	/** The App ID or the client ID. */
	app: string;
	/** PEM. */
	privateKey: string;
	/** The address of the API, without a slash at the end. */
	api: string;
	/** `team/web` */
	repository: string;
}

export interface InstallationToken {
	token: string;
	/** Milliseconds since 1970. */
	expiresAt: number;
}

const installation = z.object({ id: z.number().int().positive() });
const created = z.object({ token: z.string().min(1), expires_at: z.iso.datetime({ offset: true }) });

/**
 * Creates a token for the repository alone, with the rights of the installation.
 * @throws NotSent
 */
export async function createInstallationToken({ app, privateKey, api, repository }: Installation): Promise<InstallationToken> {
	const jwt = await appToken(app, privateKey);
	if (jwt === null)
		throw new NotSent(
			"The secret with the key of the GitHub App holds no private key of RSA in PEM. Set it to the file that GitHub gives",
			{
				isFinal: true,
			},
		);
	const found = answer(installation, await call("GET", `${api}/repos/${repository}/installation`, jwt));
	const url = `${api}/app/installations/${found.id}/access_tokens`;
	const { token, expires_at } = answer(created, await call("POST", url, jwt, { repositories: [nameOf(repository)] }));
	return { token, expiresAt: Date.parse(expires_at) };
}

/**
 * Revokes a token. A token that is not valid any more is no error.
 * @throws NotSent
 */
export async function revokeInstallationToken(api: string, token: string): Promise<void> {
	try {
		await call("DELETE", `${api}/installation/token`, token);
	} catch (error) {
		if (!(error instanceof NotSent) || error.status !== 401) throw error;
	}
}

function call(method: "GET" | "POST" | "DELETE", url: string, token: string, body?: object): Promise<string> {
	const headers = {
		Authorization: `Bearer ${token}`,
		Accept: "application/vnd.github+json",
		"X-GitHub-Api-Version": "2022-11-28",
		...(body ? { "Content-Type": "application/json" } : {}),
	};
	return send({ url, method, headers, ...(body ? { body: JSON.stringify(body) } : {}), hidden: [token], followsWithinOrigin: true });
}

function answer<Shape extends z.ZodType>(shape: Shape, text: string): z.infer<Shape> {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		value = undefined;
	}
	const parsed = shape.safeParse(value);
	if (!parsed.success) throw new NotSent("The API of the forge gives another answer than that of GitHub", { isFinal: true });
	return parsed.data;
}

function nameOf(repository: string): string {
	return repository.slice(repository.lastIndexOf("/") + 1);
}
