import { exactBytes, formatBytes, parseBytes } from "../../../schema/wire/bytes.ts";
import { ApiError } from "../../../schema/wire/errors.ts";
import { type QuotaName, type QuotaState, quotaChange } from "../../../schema/wire/quotas.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageRoute, type RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { page } from "../../ui/layout.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { changeQuotas, quotaState } from "../service.ts";

/** The page of quotas: how much of each is used, and for an operator a form. */

type Reader = RequestContext<"user">;

const MAX_FORM_BYTES = 4096;
/** In the order of the page. */
const ROWS: { name: QuotaName; label: string; isBytes: boolean; about: string }[] = [
	{ name: "queued_jobs", label: "Waiting jobs", isBytes: false, about: "Above it submissions are refused." },
	{ name: "running_jobs", label: "Running jobs", isBytes: false, about: "Above it jobs wait." },
	{
		name: "stored_bytes",
		label: "Logs, artifacts and sources",
		isBytes: true,
		about: "Above it uploads are refused. A minute old at most.",
	},
	{ name: "cache_bytes", label: "Caches", isBytes: true, about: "Above it the least recently used ones go." },
];

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
	for (const { name, label, isBytes } of ROWS) {
		const text = (form.get(name) ?? "").trim();
		const value = text === "" ? null : isBytes ? parseBytes(text) : /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
		const isWrong = text !== "" && (value === null || !(value >= 1));
		if (isWrong)
			return show(context, `${label}: "${text.slice(0, 50)}" is no ${isBytes ? "size, such as 20GiB" : "whole number above 0"}.`, 422);
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

function Quotas({ state: { quotas, use }, message }: { state: QuotaState; message: string | null }) {
	return (
		<section>
			<h1>Quotas of the team</h1>
			{message && <p class="reason bad">{message}</p>}
			<dl class="pairs">
				{ROWS.map(({ name, label, isBytes, about }) => (
					<Use key={name} label={label} about={about} used={use[name] ?? 0} most={quotas[name]} words={isBytes ? formatBytes : count} />
				))}
			</dl>
			<PostForm action="/quotas" class="form">
				<h2>Change them</h2>
				<p class="soft">An empty field is no limit.</p>
				{ROWS.map(({ name, label, isBytes }) => (
					<label key={name}>
						{`${label} `}
						<input name={name} value={fieldOf(quotas[name], isBytes)} autoComplete="off" placeholder={isBytes ? "20GiB" : "100"} />
					</label>
				))}
				<button type="submit">Change the quotas</button>
			</PostForm>
		</section>
	);
}

function Use(props: { label: string; about: string; used: number; most: number | null; words(amount: number): string }) {
	const { label, about, used, most, words } = props;
	return (
		<>
			<dt>{label}</dt>
			<dd>
				{most === null ? `${words(used)}, no limit` : `${words(used)} of ${words(most)} `}
				{most !== null && <meter min={0} max={most} high={most * 0.8} value={Math.min(used, most)} aria-label={`${label}: used`} />}
				<br />
				<span class="soft small">{about}</span>
			</dd>
		</>
	);
}

function count(amount: number): string {
	return amount.toLocaleString("en");
}

function fieldOf(amount: number | null, isBytes: boolean): string {
	if (amount === null) return "";
	return isBytes ? exactBytes(amount) : String(amount);
}

export const quotasPages = [
	pageRoute({ method: "GET", path: "/quotas", allow: ["user"], action: "read", handle: quotasPage }),
	pageRoute({ method: "POST", path: "/quotas", allow: ["user"], action: "quotas.change", handle: submit }),
];
