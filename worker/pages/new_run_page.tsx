import type { ParametersText } from "../../schema/pipeline/parameters.ts";
import type { FieldError } from "../../schema/wire/errors.ts";

interface NewRunProps {
	pipeline: string;
	/** The parameters to be filled in; null before the pipeline is known. */
	params: ParametersText | null;
	/** What was filled in. */
	given: Readonly<Record<string, string>>;
	faults: readonly FieldError[];
	message: string | null;
}

const EXAMPLE =
	'name: hello\nparams:\n  who: { type: string, default: world, description: whom to greet }\nenv: { WHO: "${{ params.who }}" }\nsteps:\n  - echo hello $WHO\n';

/** A run by hand: the pipeline, then its parameters as a form. */
export function NewRunPage({ pipeline, params, given, faults, message }: NewRunProps) {
	return (
		<section>
			<h1>New run</h1>
			{message && <p class="reason">{message}</p>}
			{faults.length > 0 && (
				<ul class="faults">
					{faults.map((one, index) => (
						<li key={index}>
							{one.line !== null && <strong>{`line ${one.line}, column ${one.column}: `}</strong>}
							{one.path && <code>{one.path} </code>}
							{one.message}
							{one.suggestion && <span class="muted">{` – ${one.suggestion}`}</span>}
						</li>
					))}
				</ul>
			)}
			<form method="post" action="/new" class="new-run">
				<label>
					Pipeline
					<textarea name="pipeline" rows={params ? 6 : 18} spellcheck={false}>
						{pipeline || EXAMPLE}
					</textarea>
				</label>
				{params &&
					Object.entries(params).map(([name, one]) => (
						<label key={name} for={`param-${name}`}>
							{name} {one.required && <span class="muted">(required)</span>}
							{one.description && <span class="muted">{` – ${one.description}`}</span>}
							<Field name={name} declared={one} value={given[name]} />
						</label>
					))}
				{params && <input type="hidden" name="ready" value="yes" />}
				<button type="submit">{params ? "Run" : "Next"}</button>
			</form>
		</section>
	);
}

function Field({ name, declared, value }: { name: string; declared: ParametersText[string]; value: string | undefined }) {
	const field = `param:${name}`;
	const id = `param-${name}`;
	const preset = value ?? textOf(declared.default);
	if (declared.type === "choice" || declared.type === "boolean") {
		const options = declared.type === "boolean" ? ["true", "false"] : (declared.options ?? []);
		return (
			<select id={id} name={field}>
				{options.map((option) => (
					<option key={option} value={option} selected={option === (preset || (declared.type === "boolean" ? "false" : options[0]))}>
						{option}
					</option>
				))}
			</select>
		);
	}
	const isRequired = declared.required ?? false;
	if (declared.type === "integer" || declared.type === "number")
		return <input id={id} name={field} type="number" step={declared.type === "number" ? "any" : 1} value={preset} required={isRequired} />;
	return <input id={id} name={field} value={preset} required={isRequired} pattern={declared.pattern} />;
}

function textOf(value: unknown): string {
	return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
