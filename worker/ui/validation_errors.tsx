import type { ApiError, FieldError } from "../../schema/wire/errors.ts";

/** What is wrong with what a form says of a pipeline, each with its place. */
export function Faults({ faults }: { faults: readonly FieldError[] }) {
	if (faults.length === 0) return null;
	return (
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
	);
}

/** The faults that an error has found, if they are what it is about. */
export function validationErrorsIn(error: ApiError): readonly FieldError[] {
	return (error.details.errors as FieldError[] | undefined) ?? [];
}
