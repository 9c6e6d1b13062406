import { ApiError } from "../../../schema/wire/errors.ts";
import { DEFAULT_TEAM, type Team, teamRequest } from "../../../schema/wire/teams.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { page } from "../../ui/layout.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors, validationErrorsIn } from "../../ui/validation_errors.tsx";
import { Ago } from "../../ui/words.tsx";
import { enterTeam, makeTeam, teamsFor } from "../service.ts";

/** The page of teams: an operator makes them here, and enters them. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 4096;
const EMPTY = { slug: "", name: "", admin: "" };

interface Form {
	fields: typeof EMPTY;
	error: ApiError | null;
	/** The link of the first admin of the team that was just made. */
	invitation: { name: string; url: string } | null;
}

function teamsPage(context: Reader): Promise<Response> {
	return show(context, { fields: EMPTY, error: null, invitation: null });
}

async function show(context: Reader, form: Form, status = 200): Promise<Response> {
	const children = <Teams teams={await teamsFor(context)} form={form} />;
	return page(context, { title: "Teams", section: "settings", children }, status);
}

async function submit(context: Reader): Promise<Response> {
	const given = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const text = (name: keyof typeof EMPTY) => (given.get(name) ?? "").trim();
	const fields = { slug: text("slug"), name: text("name"), admin: text("admin") };
	try {
		const wanted = validated(teamRequest, { slug: fields.slug, name: fields.name || undefined, admin: fields.admin || undefined });
		const { team } = await makeTeam(context, wanted);
		return show(context, { fields: EMPTY, error: null, invitation: team.invitation }, 201);
	} catch (error) {
		if (error instanceof ApiError) return show(context, { fields, error, invitation: null }, error.status);
		throw error;
	}
}

async function enter(context: Reader): Promise<Response> {
	await enterTeam(context, context.params.slug ?? "");
	return backTo("/");
}

function Teams({ teams, form: { fields, error, invitation } }: { teams: readonly Team[]; form: Form }) {
	const errors = error ? validationErrorsIn(error) : [];
	return (
		<section>
			<h1>Teams</h1>
			<p class="soft">
				Each team has a queue, projects, agents, secrets and people of its own, and sees nothing of the others. Operators act in all of
				them.
			</p>
			{invitation && (
				<div class="card">
					<p>
						{`Send this link to ${invitation.name}: it works once, for three days, and is shown only now.`}
						<br />
						<code>{invitation.url}</code>
					</p>
				</div>
			)}
			{teams.map((team) => (
				<TeamCard key={team.slug} team={team} />
			))}
			<PostForm action="/teams" class="form">
				<h2>Make a team</h2>
				{error && errors.length === 0 && <p class="reason bad">{error.message}</p>}
				<ValidationErrors errors={errors} />
				<label>
					Slug <input name="slug" required value={fields.slug} autoComplete="off" autoCapitalize="none" placeholder="web" />
				</label>
				<label>
					Name <input name="name" value={fields.name} autoComplete="off" placeholder="Web and mobile" />
				</label>
				<label>
					First admin <input name="admin" value={fields.admin} autoComplete="off" autoCapitalize="none" placeholder="ada" />
				</label>
				<button type="submit" class="main">
					Make the team
				</button>
			</PostForm>
		</section>
	);
}

function TeamCard({ team: { slug, name, people, projects, created_by, created_at } }: { team: Team }) {
	return (
		<article class="card">
			<div class="title">
				<strong>
					{name}
					{name !== slug && <span class="soft small">{` ${slug}`}</span>}
				</strong>
				<PostForm action={`/teams/${slug}/enter`}>
					<button type="submit">{slug === DEFAULT_TEAM ? "Return to it" : "Enter"}</button>
				</PostForm>
			</div>
			<p class="soft">
				{`${counted(people, "person", "people")} · ${counted(projects, "project", "projects")} · made by ${created_by} `}
				<Ago at={created_at} />
			</p>
		</article>
	);
}

function counted(count: number, one: string, many: string): string {
	return `${count} ${count === 1 ? one : many}`;
}

export const teamsPages = [
	pageRoute({ method: "GET", path: "/teams", allow: ["user"], action: "teams.manage", handle: teamsPage }),
	pageRoute({ method: "POST", path: "/teams", allow: ["user"], action: "teams.manage", isAtHome: true, handle: submit }),
	pageRoute({ method: "POST", path: "/teams/:slug/enter", allow: ["user"], action: "teams.manage", isAtHome: true, handle: enter }),
];
