import { formatDuration } from "../../../schema/wire/duration.ts";
import { LEAST_PASSWORD_LENGTH } from "../../../schema/wire/people.ts";
import { may } from "../../../schema/wire/permissions.ts";
import type { RequestContext } from "../../http/route.ts";
import { hasOwnPassword } from "../../people/service.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { type StorageUse, storageUse } from "../../quotas/service.ts";
import { sessionsOf } from "../../sessions/service.ts";
import { tokensFor } from "../../tokens/service.ts";
import { page } from "../../ui/layout.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { counted, size } from "../../ui/words.tsx";

/** GET /settings: who may call the coordinator, what it stores and for how long, and whom it calls. */
export async function settingsPage(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal } = context;
	const [tokens, sessions, registrations, use, hasPassword] = await Promise.all([
		tokensFor(context),
		sessionsOf(context),
		dispatcherOf(environment, principal.team).listRegistrationTokens(),
		storageUse(environment.DB, principal.team),
		hasOwnPassword(context),
	]);
	const { KEEP_RUNS_MS, KEEP_LOGS_MS, KEEP_ARTIFACTS_MS, OUTBOUND_RULES } = environment;
	return page(context, {
		title: "Settings",
		section: "settings",
		children: (
			<section>
				<div class="title">
					<h1>Settings</h1>
					<PostForm action="/sign-out">
						<button type="submit">{`Sign out ${principal.name}`}</button>
					</PostForm>
				</div>
				<h2>Tokens</h2>
				<p>
					<a href="/tokens">{counted(tokens.length, "token")}</a>
					<span class="soft">{` · you are ${principal.name}, with the role ${principal.role}`}</span>
				</p>
				<p class="soft">
					<code>windlass token reset-admin</code> on the coordinator's host makes a new admin token.
				</p>
				{may(principal.role, "audit.read") && (
					<p>
						<a href="/audit">Audit log</a>
						<span class="soft"> · who changed what</span>
					</p>
				)}
				{hasPassword && <PasswordForm />}
				{may(principal.role, "people.manage") && (
					<p>
						<a href="/people">People</a>
						<span class="soft"> · who may sign in, and with which role</span>
					</p>
				)}
				{may(principal.role, "teams.manage") && (
					<p>
						<a href="/teams">Teams</a>
						<span class="soft"> · each with a queue, projects and people of its own</span>
					</p>
				)}
				{may(principal.role, "identity_providers.manage") && (
					<p>
						<a href="/identity-providers">Identity providers</a>
						<span class="soft"> · accounts of your company or forge to sign in with</span>
					</p>
				)}
				<h2>Sessions</h2>
				<p>
					<a href="/sessions">{`${counted(sessions.length, "signed-in browser")}`}</a>
				</p>
				<h2>Registration tokens of agents</h2>
				<p>
					<a href="/agents">{`${counted(registrations.filter(({ uses_left }) => uses_left > 0).length, "token")} that an agent can use`}</a>
				</p>
				<h2>Storage</h2>
				<Storage use={use} />
				<p>
					<a href="/quotas">Quotas of the team</a>
					<span class="soft"> · how much of them is used</span>
				</p>
				<h2>Retention</h2>
				<dl class="pairs">
					<dt>Runs</dt>
					<dd>{`${formatDuration(Number(KEEP_RUNS_MS))} after their end`}</dd>
					<dt>Logs</dt>
					<dd>{formatDuration(Number(KEEP_LOGS_MS))}</dd>
					<dt>Artifacts</dt>
					<dd>{formatDuration(Number(KEEP_ARTIFACTS_MS))}</dd>
				</dl>
				<p class="soft">A project may set other times. The options of windlass serve set these.</p>
				<h2>Outbound requests</h2>
				<p>
					<code>{OUTBOUND_RULES ?? "external"}</code>
				</p>
				<p class="soft">
					Servers that get statuses and notifications. --allow-outbound of windlass serve names others, such as servers of the LAN.
				</p>
			</section>
		),
	});
}

function PasswordForm() {
	return (
		<details>
			<summary>Change your password</summary>
			<PostForm action="/password" class="form">
				<label>
					Present password <input type="password" name="old" required autoComplete="current-password" />
				</label>
				<label>
					{`New password, of at least ${LEAST_PASSWORD_LENGTH} characters `}
					<input type="password" name="password" required minLength={LEAST_PASSWORD_LENGTH} autoComplete="new-password" />
				</label>
				<p class="soft">This also revokes your personal tokens: sign in your commands again afterwards.</p>
				<button type="submit">Change it, and sign out everywhere</button>
			</PostForm>
		</details>
	);
}

function Storage({ use }: { use: StorageUse }) {
	return (
		<dl class="pairs">
			<dt>Runs</dt>
			<dd>{use.runs.toLocaleString("en")}</dd>
			<dt>Logs</dt>
			<dd>{`${size(use.logBytes)} of ${counted(use.logs, "log")}`}</dd>
			<dt>Artifacts</dt>
			<dd>{`${size(use.artifactBytes)} of ${counted(use.artifacts, "file")}`}</dd>
			<dt>Sources</dt>
			<dd>{`${size(use.sourceBytes)} of ${counted(use.sources, "upload")}`}</dd>
		</dl>
	);
}
