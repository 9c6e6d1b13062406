import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import { fillParameters, type ParametersText } from "../../schema/pipeline/validate/parameters.ts";

/** The parameters of a pipeline as form fields, and their submitted values. */

const PREFIX = "param:";

interface FieldsProps {
	declared: ParametersText;
	/** The submitted values. */
	given: Readonly<Record<string, string>>;
}

/** A field for each parameter, with its default; a required parameter starts empty. */
export function ParameterFields({ declared, given }: FieldsProps) {
	const { values } = doneAtOnce(fillParameters(declared, {}));
	return (
		<>
			{Object.entries(declared).map(([name, one]) => (
				<label key={name} for={`param-${name}`}>
					{name} {one.required && <span class="soft">(required)</span>}
					{one.description && <span class="soft">{` – ${one.description}`}</span>}
					<Field name={name} declared={one} value={given[name] ?? (one.required ? "" : String(values[name]))} />
				</label>
			))}
		</>
	);
}

function Field({ name, declared, value }: { name: string; declared: ParametersText[string]; value: string }) {
	const field = { id: `param-${name}`, name: `${PREFIX}${name}` };
	if (declared.type === "choice" || declared.type === "boolean") {
		const options = declared.type === "boolean" ? ["true", "false"] : (declared.options ?? []);
		return (
			<select {...field} required={declared.required ?? false}>
				{value === "" && (
					<option value="" selected disabled>
						–
					</option>
				)}
				{options.map((option) => (
					<option key={option} value={option} selected={option === value}>
						{option}
					</option>
				))}
			</select>
		);
	}
	const required = declared.required ?? false;
	if (declared.type === "integer" || declared.type === "number")
		return <input {...field} type="number" step={declared.type === "number" ? "any" : 1} value={value} required={required} />;
	// A single-line field would lose line breaks.
	if (value.includes("\n")) return <textarea {...field} rows={4} required={required} value={value} />;
	return <input {...field} value={value} required={required} pattern={declared.pattern} />;
}

/** The submitted values of a form, by the name of the parameter. */
export function givenIn(form: URLSearchParams): Record<string, string> {
	const fields = [...form].filter(([name]) => name.startsWith(PREFIX));
	return Object.fromEntries(fields.map(([name, value]) => [name.slice(PREFIX.length), value.replaceAll("\r\n", "\n")]));
}

/** The parameters of a submission: an empty field stands for no value. */
export function filledIn(given: Readonly<Record<string, string>>): Record<string, string> {
	return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""));
}
