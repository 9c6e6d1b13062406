import { ApiError } from "../../../schema/wire/errors.ts";
import { QUOTA_TEXTS, QUOTAS, type QuotaState, type QuotaUnit, quotaChange, usedOf } from "../../../schema/wire/quotas.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { page } from "../../ui/layout.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { changeQuotas, quotaState } from "../service.ts";

/** The page of quotas: how much of each is used, and for an operator a form. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 4096;
async function quotasPage(context: Reader): Promise<Response> {
	return show(context, null);
}

async function show(context: Reader, message: string | null, status = 200): Promise<Response> {
	return page(
		context,
		{ title: "Quotas", section: "settings", children: <Quotas state={await quotaState(context)} message={message} /> },
		status,
	);
}

async function submit(context: Reader): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_FORM_BYTES));
	const wanted: Record<string, number | null> = {};
	for (const { name, label, unit } of QUOTAS) {
		const text = (form.get(name) ?? "").trim();
		const { parse, noun } = QUOTA_TEXTS[unit];
		const value = text === "" ? null : parse(text);
		if (text !== "" && (value === null || value < 1)) return show(context, `${label}: "${text.slice(0, 50)}" is no ${noun}.`, 422);
		wanted[name] = value;
	}
	try {
		await changeQuotas(context, validated(quotaChange, wanted));
		return backTo("/quotas");
	} catch (error) {
		if (error instanceof ApiError) return show(context, error.message, error.status);
		throw error;
	}
}

function Quotas({ state, message }: { state: QuotaState; message: string | null }) {
	return (
		<section>
			<h1>Quotas of the team</h1>
			{message && <p class="reason bad">{message}</p>}
			<dl class="pairs">
				{QUOTAS.map(({ name, label, unit, about }) => (
					<Use
						key={name}
						label={label}
						about={about}
						used={usedOf(state, name)}
						most={state.quotas[name]}
						words={QUOTA_TEXTS[unit].words}
					/>
				))}
			</dl>
			<PostForm action="/quotas" class="form">
				<h2>Change them</h2>
				<p class="soft">An empty field is no limit.</p>
				{QUOTAS.map(({ name, label, unit }) => (
					<label key={name}>
						{`${label} `}
						<input name={name} value={exact(unit, state.quotas[name])} autoComplete="off" placeholder={QUOTA_TEXTS[unit].example} />
					</label>
				))}
				<button type="submit">Change the quotas</button>
			</PostForm>
		</section>
	);
}

function Use(props: { label: string; about: string; used: number | null; most: number | null; words(amount: number): string }) {
	const { label, about, used, most, words } = props;
	return (
		<>
			<dt>{label}</dt>
			<dd>
				{used === null
					? most === null
						? "no limit of the team"
						: `at most ${words(most)}`
					: most === null
						? `${words(used)}, no limit`
						: `${words(used)} of ${words(most)} `}
				{used !== null && most !== null && (
					<meter min={0} max={most} high={most * 0.8} value={Math.min(used, most)} aria-label={`${label}: used`} />
				)}
				<br />
				<span class="soft small">{about}</span>
			</dd>
		</>
	);
}

function exact(unit: QuotaUnit, amount: number | null): string {
	return amount === null ? "" : QUOTA_TEXTS[unit].exact(amount);
}

export const quotasPages = [
	pageRoute({ method: "GET", path: "/quotas", allow: ["user"], action: "read", handle: quotasPage }),
	pageRoute({ method: "POST", path: "/quotas", allow: ["user"], action: "quotas.change", handle: submit }),
];
