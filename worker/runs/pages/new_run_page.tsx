import type { ParametersText } from "../../../schema/pipeline/validate/parameters.ts";
import type { FieldError } from "../../../schema/wire/errors.ts";
import { ParameterFields } from "../../ui/parameter_fields.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";

interface NewRunProps {
	pipeline: string;
	/** The parameters to fill in; null until the pipeline is known. */
	params: ParametersText | null;
	/** The submitted values. */
	given: Readonly<Record<string, string>>;
	errors: readonly FieldError[];
	message: string | null;
}

const EXAMPLE =
	'name: hello\nparams:\n  who: { type: string, default: world, description: whom to greet }\nenv: { WHO: "${{ params.who }}" }\nsteps:\n  - echo hello $WHO\n';

/** A form for a new run: the pipeline, then its parameters. */
export function NewRunPage({ pipeline, params, given, errors, message }: NewRunProps) {
	return (
		<section>
			<h1>New run</h1>
			{message && <p class="reason">{message}</p>}
			<ValidationErrors errors={errors} />
			<PostForm action="/new" class="form">
				<label>
					Pipeline
					<textarea name="pipeline" rows={params ? 6 : 18} spellcheck={false}>
						{pipeline || EXAMPLE}
					</textarea>
				</label>
				{params && <ParameterFields declared={params} given={given} />}
				{params && <input type="hidden" name="ready" value="yes" />}
				<button type="submit" class="main">
					{params ? "Run" : "Next"}
				</button>
			</PostForm>
		</section>
	);
}
