import type { FieldError } from "../../../schema/wire/errors.ts";
import type { Invitation, OpenInvitation, Person } from "../../../schema/wire/people.ts";
import type { Role } from "../../../schema/wire/permissions.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { RoleSelect } from "../../ui/role_select.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";
import { Ago, readable } from "../../ui/words.tsx";

export interface InviteForm {
	fields: { name: string; role: string };
	errors: readonly FieldError[];
	message: string | null;
	/** A new link: only this page shows it. */
	made: Invitation | null;
}

interface PeoplePageProps {
	people: readonly Person[];
	invitations: readonly OpenInvitation[];
	/** The roles that the reader can give. */
	roles: readonly Role[];
	form: InviteForm;
}

export function PeoplePage({ people, invitations, roles, form }: PeoplePageProps) {
	return (
		<section>
			<h1>People</h1>
			{form.made && <Made made={form.made} />}
			{people.length === 0 && <p class="empty">Nobody has joined yet. A person with the admin token is an operator.</p>}
			<ul class="list">
				{people.map((person) => (
					<Row key={person.id} person={person} roles={roles} />
				))}
			</ul>
			{invitations.length > 0 && <h2>Open invitations</h2>}
			<ul class="list">
				{invitations.map((invitation) => (
					<Open key={invitation.name} invitation={invitation} />
				))}
			</ul>
			<h2>Invite somebody</h2>
			<PostForm action="/people" class="form">
				{form.message && <p class="reason">{form.message}</p>}
				<ValidationErrors errors={form.errors} />
				<label>
					Name <span class="soft">– with which they sign in, such as ada</span>
					<input name="name" value={form.fields.name} required autoComplete="off" />
				</label>
				<p>
					Role <RoleSelect roles={roles} chosen={form.fields.role} />
				</p>
				<button type="submit">Make a link</button>
			</PostForm>
		</section>
	);
}

function Made({ made }: { made: Invitation }) {
	return (
		<div class="card is-ok">
			<p>
				<strong>{`The link for ${made.name} is shown once.`}</strong>
				{` It works once, until ${readable(made.expires_at)}. Send it on a way that only they read:`}
			</p>
			<pre class="token">{made.url}</pre>
		</div>
	);
}

function Open({ invitation: { name, role, is_reset, invited_by, expires_at } }: { invitation: OpenInvitation }) {
	return (
		<li class="row token">
			<span class="grow">
				<b>{name}</b>
				{` · ${role}`}
				<br />
				<span class="soft">{`${is_reset ? "to sign in anew, " : ""}by ${invited_by}, works until ${readable(expires_at)}`}</span>
			</span>
			<PostForm action={`/invitations/${name}/withdraw`}>
				<button type="submit">Withdraw</button>
			</PostForm>
		</li>
	);
}

function Row({ person, roles }: { person: Person; roles: readonly Role[] }) {
	const { id, name, role, invited_by, joined_at, last_seen, providers, has_role_by_rule, is_current } = person;
	const isMine = is_current || !roles.includes(role);
	return (
		<li class="row token">
			<span class="grow">
				<b>{name}</b>
				{` · ${role}`}
				{is_current && <span class="soft"> · you</span>}
				<br />
				<span class="soft">
					{last_seen === null ? "never signed in" : `signed in last on ${last_seen.on} from ${last_seen.from}`}
					{" · joined "}
					<Ago at={joined_at} />
					{has_role_by_rule ? `, by the rules of ${providers.join(", ")}` : `, invited by ${invited_by}`}
					{!has_role_by_rule && providers.length > 0 && `, signs in with ${providers.join(", ")}`}
				</span>
			</span>
			{!isMine && (
				<div class="row">
					{!has_role_by_rule && (
						<PostForm action={`/people/${id}/role`} class="row">
							<RoleSelect roles={roles} chosen={role} />
							<button type="submit">Change</button>
						</PostForm>
					)}
					<PostForm action={`/people/${id}/reset`}>
						<button type="submit">New sign-in link</button>
					</PostForm>
					<PostForm action={`/people/${id}/sign-out`}>
						<button type="submit">Sign out everywhere</button>
					</PostForm>
					<PostForm action={`/people/${id}/remove`}>
						<button type="submit" class="danger">
							Remove
						</button>
					</PostForm>
				</div>
			)}
		</li>
	);
}
