import type { ApiError, FieldError } from "../../schema/wire/errors.ts";

/** The validation errors of a form or pipeline, each with its place. */
export function ValidationErrors({ errors }: { errors: readonly FieldError[] }) {
	if (errors.length === 0) return null;
	return (
		<ul class="errors">
			{errors.map((one, index) => (
				<li key={index}>
					{one.line !== null && <strong>{`line ${one.line}, column ${one.column}: `}</strong>}
					{one.path && <code>{one.path} </code>}
					{one.message}
					{one.suggestion && <span class="soft">{` – ${one.suggestion}`}</span>}
				</li>
			))}
		</ul>
	);
}

/** The validation errors of an error; empty for other errors. */
export function validationErrorsIn(error: ApiError): readonly FieldError[] {
	return (error.details.errors as FieldError[] | undefined) ?? [];
}
