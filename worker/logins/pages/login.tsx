import type { ComponentChildren } from "preact";
import { ApiError } from "../../../schema/wire/errors.ts";
import { ROLES, rolesUpTo } from "../../../schema/wire/permissions.ts";
import { readText } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { greatestRoleOf } from "../../identity/project_roles.ts";
import { page } from "../../ui/layout.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { RoleSelect } from "../../ui/role_select.tsx";
import { Ago } from "../../ui/words.tsx";
import { decide, requestOf } from "../service.ts";
import type { LoginRow } from "../store.ts";

/** The page on which a person allows `windlass login` on a machine. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 4096;

/** GET /login?code=… */
async function loginPage(context: Reader): Promise<Response> {
	const code = context.url.searchParams.get("code");
	if (code === null) return show(context, <CodeForm message={null} />);
	try {
		return await show(context, <Question request={await requestOf(context, code)} principal={context.principal} />);
	} catch (error) {
		if (!(error instanceof ApiError) || error.code !== "not_found") throw error;
		return show(context, <CodeForm message={error.message} />, error.status);
	}
}

/** POST /login: allowed or denied. */
async function submitLogin(context: Reader): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const isAllowed = form.get("decision") === "allow";
	const role = isAllowed ? (ROLES.find((one) => one === form.get("role")) ?? null) : null;
	const { machine } = await decide(context, form.get("code") ?? "", role);
	Object.assign(context.noted, { machine, decision: role === null ? "denied" : "allowed", role });
	const text =
		role === null ? `The command on ${machine} gets no token.` : `The command on ${machine} acts as you now. You can close this page.`;
	return show(context, <p>{text}</p>, 201);
}

function show(context: Reader, children: ComponentChildren, status = 200): Promise<Response> {
	const whole = (
		<section class="narrow">
			<h1>Sign in a command</h1>
			{children}
		</section>
	);
	return page(context, { title: "Sign in a command", children: whole }, status);
}

function CodeForm({ message }: { message: string | null }) {
	return (
		<form action="/login" class="sign-in">
			{message && <p class="reason bad">{message}</p>}
			<label>
				The code in the terminal <input name="code" required placeholder="ABCD-EFGH" autoComplete="off" autoCapitalize="characters" />
			</label>
			<button type="submit" class="main">
				Next
			</button>
		</form>
	);
}

function Question({ request, principal }: { request: LoginRow; principal: Reader["principal"] }) {
	const { code, machine, address, created_at } = request;
	return (
		<>
			<p>
				{"A command on "}
				<b>{machine}</b>
				{` at ${address} asks to act as you, ${principal.name}. It began `}
				<Ago at={new Date(created_at).toISOString()} />
				{"."}
			</p>
			<p>
				{"Allow it only if you have started it, and the terminal shows "}
				<code>{code}</code>
				{"."}
			</p>
			<PostForm action="/login" class="row">
				<input type="hidden" name="code" value={code} />
				<RoleSelect roles={rolesUpTo(greatestRoleOf(principal))} chosen={greatestRoleOf(principal)} />
				<button type="submit" name="decision" value="allow" class="main">
					Allow
				</button>
				<button type="submit" name="decision" value="deny" class="danger">
					Deny
				</button>
			</PostForm>
		</>
	);
}

export const loginPages = [
	pageRoute({ method: "GET", path: "/login", allow: ["user"], action: "own.tokens", isAtHome: true, handle: loginPage }),
	pageRoute({ method: "POST", path: "/login", allow: ["user"], action: "own.tokens", isAtHome: true, handle: submitLogin }),
];
