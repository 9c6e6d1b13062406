import { readingParameters } from "../../../schema/pipeline/parse/stored_pipeline.ts";
import type { ParametersText } from "../../../schema/pipeline/validate/parameters.ts";
import { ApiError, type FieldError } from "../../../schema/wire/errors.ts";
import { MAX_LIST_LIMIT } from "../../../schema/wire/limits.ts";
import type { PipelineVersion, WholePipeline } from "../../../schema/wire/pipelines.ts";
import type { RequestContext } from "../../http/route.ts";
import { withTurn } from "../../platform/turns.ts";
import { page } from "../../ui/layout.tsx";
import { ParameterFields } from "../../ui/parameter_fields.tsx";
import { PostForm } from "../../ui/post_form.tsx";
import { ValidationErrors } from "../../ui/validation_errors.tsx";
import { Ago } from "../../ui/words.tsx";
import { presentPipeline, presentVersion } from "../present.ts";
import { requirePipeline } from "../service.ts";
import { listVersions } from "../store.ts";
import { readNewest } from "../versions.ts";

/** The page of a stored pipeline: its text and its versions. */

/** A rejected form: its values and errors. */
interface RejectedForm {
	given: Record<string, string>;
	errors: readonly FieldError[];
}

export async function pipelinePage(context: RequestContext<"user">, rejected: RejectedForm | null = null): Promise<Response> {
	const { environment, baseUrl } = context;
	const row = await requirePipeline(context);
	const [yaml, versions] = await Promise.all([readNewest(environment, row), listVersions(environment.DB, row.id, MAX_LIST_LIMIT, null)]);
	const pipeline = { ...presentPipeline(row, baseUrl), yaml };
	const children = (
		<PipelinePage pipeline={pipeline} params={await declaredIn(yaml)} versions={versions.map(presentVersion)} rejected={rejected} />
	);
	return page(context, { title: pipeline.name, section: "projects", children }, rejected ? 422 : 200);
}

/** The parameters of a stored text; none if the text is no longer valid. */
async function declaredIn(yaml: string): Promise<ParametersText> {
	try {
		return await withTurn(readingParameters(yaml), yaml.length);
	} catch (error) {
		if (!(error instanceof ApiError) || error.code === "unavailable") throw error;
		return {};
	}
}

interface PipelinePageProps {
	pipeline: WholePipeline;
	params: ParametersText;
	versions: readonly PipelineVersion[];
	rejected: RejectedForm | null;
}

function PipelinePage({ pipeline, params, versions, rejected }: PipelinePageProps) {
	const address = `/api/v1/pipelines/${pipeline.id}/versions`;
	const hasParameters = Object.keys(params).length > 0;
	return (
		<section>
			<div class="title">
				<h1>
					{pipeline.name} <span class="soft">{`${pipeline.project}, version ${pipeline.version}`}</span>
				</h1>
				{!hasParameters && (
					<PostForm action={`/pipelines/${pipeline.id}/trigger`}>
						<button type="submit">Run</button>
					</PostForm>
				)}
			</div>
			{rejected && <ValidationErrors errors={rejected.errors} />}
			{hasParameters && (
				<PostForm action={`/pipelines/${pipeline.id}/trigger`} class="form">
					<ParameterFields declared={params} given={rejected?.given ?? {}} />
					<button type="submit">Run</button>
				</PostForm>
			)}
			<pre class="token">{pipeline.yaml}</pre>
			<h2>Versions</h2>
			<table>
				<thead>
					<tr>
						<th>Version</th>
						<th>By</th>
						<th>Created</th>
						<th scope="col">
							<span class="hidden">Action</span>
						</th>
					</tr>
				</thead>
				<tbody>
					{versions.map((one) => (
						<tr key={one.number}>
							<td>
								<a href={`${address}/${one.number}`}>{one.number}</a>
								{one.number > 1 && (
									<>
										{" "}
										<a href={`${address}/${one.number}/diff`}>changes</a>
									</>
								)}
							</td>
							<td>
								{one.actor}
								{one.restores !== null && <span class="soft">{` restoring ${one.restores}`}</span>}
							</td>
							<td>
								<Ago at={one.created_at} />
							</td>
							<td>
								{one.number !== pipeline.version && (
									<PostForm action={`/pipelines/${pipeline.id}/restore`}>
										<button type="submit" class="quiet" name="version" value={one.number}>
											Restore
										</button>
									</PostForm>
								)}
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</section>
	);
}
