import { ApiError } from "../../../schema/wire/errors.ts";
import { invitationRequest, personChange } from "../../../schema/wire/people.ts";
import { rolesUpTo } from "../../../schema/wire/permissions.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { givenRole } from "../../identity/acting_team.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";
import { page } from "../../ui/layout.tsx";
import { validationErrorsIn } from "../../ui/validation_errors.tsx";
import {
	changePassword,
	changeRole,
	invitationsFor,
	invite,
	peopleFor,
	removePerson,
	resetPassword,
	signOutPerson,
	withdrawInvitation,
} from "../service.ts";
import { type InviteForm, PeoplePage } from "./people_page.tsx";

/** The page of people and its forms. A rejected form keeps its values. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 4096;
const EMPTY: InviteForm = { fields: { name: "", role: "developer" }, errors: [], message: null, made: null };

function peoplePage(context: Reader): Promise<Response> {
	return show(context, EMPTY);
}

async function show(context: Reader, form: InviteForm, status = 200): Promise<Response> {
	const [people, invitations] = await Promise.all([peopleFor(context), invitationsFor(context)]);
	const children = <PeoplePage people={people} invitations={invitations} roles={rolesUpTo(givenRole(context.principal))} form={form} />;
	return page(context, { title: "People", section: "settings", children }, status);
}

async function formOf({ request }: Reader): Promise<Record<string, string>> {
	return Object.fromEntries(new URLSearchParams(await readText(request, MAX_FORM_BYTES)));
}

async function submitInvitation(context: Reader): Promise<Response> {
	const { name = "", role = "" } = await formOf(context);
	try {
		const made = await invite(context, validated(invitationRequest, { name: name.trim(), role }));
		return show(context, { ...EMPTY, made }, 201);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		const errors = validationErrorsIn(error);
		return show(context, { fields: { name, role }, errors, message: errors.length === 0 ? error.message : null, made: null }, error.status);
	}
}

async function submitRole(context: Reader): Promise<Response> {
	const { role } = validated(personChange, await formOf(context));
	await changeRole(context, role);
	return backTo("/people");
}

async function submitReset(context: Reader): Promise<Response> {
	return show(context, { ...EMPTY, made: await resetPassword(context) }, 201);
}

async function submitSignOut(context: Reader): Promise<Response> {
	await signOutPerson(context);
	return backTo("/people");
}

async function submitWithdrawal(context: Reader): Promise<Response> {
	await withdrawInvitation(context);
	return backTo("/people");
}

function submitRemoval(context: Reader): Promise<Response> {
	const question = {
		title: "Remove the person",
		text: "This ends their sessions and personal tokens. What they have done stays.",
		button: "Remove the person",
		back: "/people",
	};
	return onceConfirmed(context, question, async () => {
		await removePerson(context);
		return backTo("/people");
	});
}

async function submitPassword(context: Reader): Promise<Response> {
	const { old = "", password = "" } = await formOf(context);
	await changePassword(context, { old, password });
	return backTo("/sign-in");
}

export const peoplePages = [
	pageRoute({ method: "GET", path: "/people", allow: ["user"], action: "people.manage", handle: peoplePage }),
	pageRoute({ method: "POST", path: "/people", allow: ["user"], action: "people.manage", handle: submitInvitation }),
	pageRoute({ method: "POST", path: "/people/:id/role", allow: ["user"], action: "people.manage", handle: submitRole }),
	pageRoute({ method: "POST", path: "/people/:id/reset", allow: ["user"], action: "people.manage", handle: submitReset }),
	pageRoute({ method: "POST", path: "/people/:id/sign-out", allow: ["user"], action: "people.manage", handle: submitSignOut }),
	pageRoute({ method: "POST", path: "/invitations/:name/withdraw", allow: ["user"], action: "people.manage", handle: submitWithdrawal }),
	pageRoute({ method: "POST", path: "/people/:id/remove", allow: ["user"], action: "people.manage", handle: submitRemoval }),
	pageRoute({ method: "POST", path: "/password", allow: ["user"], action: "own.password", isAtHome: true, handle: submitPassword }),
];
