import { nearest } from "../../text/nearest_word.ts";
import { ApiError, type FieldError } from "../../wire/errors.ts";
import { parsingSource, type SourceDocument } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { extended, type IncludeText, includes, MAX_INCLUDES } from "../validate/composition_keys.ts";
import { code, errorAt, validationFailed } from "../validate/errors.ts";
import { JOB_KEY, job } from "../validate/language.ts";
import { isMap, readPart, type ValueIssue } from "../validate/read_values.ts";
import { valueErrors } from "../validate/value_errors.ts";
import { kindOf } from "../validate/values.ts";
import { type IncludedFile, type IncludedTexts, type IncludePlace, placeKey, placeOf, placeText } from "./include_place.ts";
import { documentOf, Merger, mapOf, memberOf, membersOf, type Origin, type Placed } from "./placed_values.ts";

/**
 * Puts a pipeline together: the files that it includes, the templates that its jobs extend, and
 * without its `x-…` keys. The result is a pipeline without these keys, and every value in it has
 * the place where it was written.
 */

/** The keys that an included file may have, beside `x-…`. */
const INCLUDABLE = ["include", "templates", "jobs", "stages", "env", "params", "defaults"];
const MAX_DEPTH = 10;
const NO_FILES = "Pipelines of a repository, windlass run and windlass exec have them. A submission sends them in `files`: { path: text }.";

/** A pipeline that is put together, and where its values come from. */
export interface ComposedPipeline {
	document: SourceDocument;
	value: unknown;
	/** The included files of other projects. */
	includes: IncludedFile[];
}

/**
 * @param at the path of the pipeline in the document
 * @param included the texts of the files that it may include; null if nobody gave any
 * @throws ApiError `validation_failed`
 */
export function* composing(
	document: SourceDocument,
	value: unknown,
	at: string[],
	included: IncludedTexts | null,
): SlicedWork<ComposedPipeline> {
	if (
		!isMap(value) ||
		!Object.keys(value).some((key) => key === "include" || key === "templates" || key.startsWith("x-") || key === "jobs")
	)
		return { document, value, includes: [] };
	const hasKeys = ["include", "templates"].some((key) => key in value) || Object.keys(value).some((key) => key.startsWith("x-"));
	const isExtending = isMap(value.jobs) && Object.values(value.jobs).some((one) => isMap(one) && "extends" in one);
	if (!hasKeys && !isExtending) return { document, value, includes: [] };
	const { root, includes } = yield* composingValues({ value, origin: { document, path: at, file: null, via: null } }, included);
	return { document: documentOf(root, at), value: root.value, includes };
}

/** The same with the origin of each value. @throws ApiError `validation_failed` */
export function* composingValues(written: Placed, included: IncludedTexts | null): SlicedWork<{ root: Placed; includes: IncludedFile[] }> {
	const composer = new Composer(included);
	const root = yield* composer.compose(written);
	if (composer.errors.length > 0) throw validationFailed(composer.errors);
	return { root, includes: [...composer.includes.values()] };
}

class Composer {
	readonly errors: FieldError[] = [];
	/** The included files of other projects, by their places. */
	readonly includes = new Map<string, IncludedFile>();
	readonly #included: IncludedTexts | null;
	readonly #merger = new Merger();
	#files = 0;
	/** The templates that some job extends. */
	readonly #used = new Set<string>();

	constructor(included: IncludedTexts | null) {
		this.#included = included;
	}

	*compose(written: Placed): SlicedWork<Placed> {
		const whole = yield* this.#withIncludes(written, null, []);
		const templates = memberOf(whole, "templates");
		if (templates.value !== undefined && !isMap(templates.value)) {
			this.#fail(
				templates,
				`Expected a map of templates, got ${kindOf(templates.value)}.`,
				"Write: templates: { base: { timeout: 10m } }.",
			);
			return whole;
		}
		for (const [name, template] of isMap(templates.value) ? membersOf(templates) : []) {
			if (!JOB_KEY.test(name))
				this.#fail(template, `${code(name)} is not a name of a template.`, "Use at most 63 letters, digits, dashes and underscores.", true);
			else if (!isMap(template.value)) this.#fail(template, `Expected a map with keys of a job, got ${kindOf(template.value)}.`, null);
		}
		if (this.errors.length > 0) return whole;
		const jobs = memberOf(whole, "jobs");
		const extendedJobs: [string, Placed][] = [];
		for (const [key, one] of isMap(jobs.value) ? membersOf(jobs) : []) extendedJobs.push([key, yield* this.#extended(one, templates, [])]);
		yield* this.#checkUnused(templates);
		const members = membersOf(whole, (key) => key === "include" || key === "templates" || key.startsWith("x-"));
		const isChanged = isMap(jobs.value);
		return mapOf(
			members.map(([key, member]) => [key, key === "jobs" && isChanged ? mapOf(extendedJobs, jobs.origin) : member]),
			whole.origin,
		);
	}

	/** A file with the files that it includes. @param chain the files that led here */
	*#withIncludes(file: Placed, from: IncludePlace | null, chain: readonly string[]): SlicedWork<Placed> {
		const list = memberOf(file, "include");
		if (list.value === undefined) return file;
		const { data, issues } = yield* readPart(includes, list.value);
		yield* this.#addIssues(issues, "include", list);
		if (data === null) return file;
		let merged: Placed | null = null;
		for (const [index, item] of (data as IncludeText[]).entries()) {
			const read = yield* this.#read(placeOf(item, from), memberOf(list, String(index)), chain);
			if (read === null) return file;
			merged = merged === null ? read : yield* this.#merger.merge(merged, read);
		}
		const own = mapOf(
			membersOf(file, (key) => key === "include"),
			file.origin,
		);
		return merged === null ? own : yield* this.#merger.merge(merged, own);
	}

	*#read(place: IncludePlace, asked: Placed, chain: readonly string[]): SlicedWork<Placed | null> {
		const key = placeKey(place);
		const name = placeText(place);
		const fail = (message: string, suggestion: string | null) => {
			this.#fail(asked, message, suggestion);
			return null;
		};
		if (chain.includes(key)) return fail(`${code(name)} includes itself.`, "Remove this include.");
		if (chain.length >= MAX_DEPTH) return fail(`Includes are nested more than ${MAX_DEPTH} levels deep.`, "Include the file directly.");
		this.#files += 1;
		if (this.#files > MAX_INCLUDES)
			return fail(`A pipeline includes at most ${MAX_INCLUDES} files, those of its files counted.`, "Join some of them.");
		if (this.#included === null) return fail("This pipeline came without the files that it includes.", NO_FILES);
		const found = this.#included.get(key);
		if (found === undefined)
			return fail(`The file ${code(name)} does not exist.`, "Check its path: it begins at the top of the repository.");
		if ("error" in found) return fail(found.error, found.suggestion);
		if (place.project !== null) this.includes.set(key, { ...place, project: place.project, sha: found.sha ?? "" });
		const origin = (document: SourceDocument): Origin => ({ document, path: [], file: name, via: null });
		let document: SourceDocument;
		try {
			document = yield* parsingSource(found.text);
		} catch (error) {
			if (!(error instanceof ApiError)) throw error;
			const errors = ((error.details.errors as FieldError[] | undefined) ?? []).map((one) => ({ ...one, file: name }));
			if (errors.length === 0) return fail(`${name}: ${error.message}`, error.suggestions[0] ?? null);
			this.errors.push(...errors);
			return null;
		}
		const text: Placed = { value: document.value, origin: origin(document) };
		if (!isMap(document.value)) return fail(`Expected a map in ${code(name)}, got ${kindOf(document.value)}.`, null);
		for (const [key, member] of membersOf(text)) {
			if (INCLUDABLE.includes(key) || key.startsWith("x-")) continue;
			const near = nearest(key, INCLUDABLE);
			this.#fail(
				member,
				`An included file has no ${code(key)}.`,
				near ? `Did you mean ${code(near)}?` : `It may have: ${INCLUDABLE.join(", ")}.`,
				true,
			);
		}
		return yield* this.#withIncludes(text, place, [...chain, key]);
	}

	/** A job, or a template, with the templates that it extends. @param chain the templates that led here */
	*#extended(one: Placed, templates: Placed, chain: readonly string[]): SlicedWork<Placed> {
		if (!isMap(one.value) || !("extends" in one.value)) return one;
		const names = memberOf(one, "extends");
		const { data, issues } = yield* readPart(extended, names.value);
		yield* this.#addIssues(issues, "extends", names);
		let merged: Placed | null = null;
		for (const [index, name] of ((data ?? []) as string[]).entries()) {
			const asked = Array.isArray(names.value) ? memberOf(names, String(index)) : names;
			const template = yield* this.#template(name, templates, chain, asked);
			if (template) merged = merged === null ? template : yield* this.#merger.merge(merged, template);
		}
		const own = mapOf(
			membersOf(one, (key) => key === "extends"),
			one.origin,
		);
		return merged === null ? own : yield* this.#merger.merge(merged, own);
	}

	*#template(name: string, templates: Placed, chain: readonly string[], asked: Placed): SlicedWork<Placed | null> {
		const known = isMap(templates.value) ? Object.keys(templates.value) : [];
		if (!known.includes(name)) {
			const near = nearest(name, known);
			const listed =
				known.length > 0
					? `The templates are ${known.slice(0, 10).join(", ")}${known.length > 10 ? " …" : ""}.`
					: "Write it into `templates`.";
			this.#fail(asked, `Unknown template ${code(name)}.`, near ? `Did you mean ${code(near)}?` : listed);
			return null;
		}
		if (chain.includes(name)) {
			this.#fail(asked, `Templates extend each other in a circle: ${[...chain, name].join(" → ")}.`, "Remove one of these.");
			return null;
		}
		if (chain.length >= MAX_DEPTH) {
			this.#fail(asked, `Templates extend each other more than ${MAX_DEPTH} levels deep.`, "Extend the template directly.");
			return null;
		}
		this.#used.add(name);
		const template = memberOf(templates, name);
		const placed = { ...template, origin: { ...template.origin, via: `template ${code(name)}` } };
		return yield* this.#extended(placed, templates, [...chain, name]);
	}

	/** A template that no job extends is checked by itself, or its errors would wait for the first job. */
	*#checkUnused(templates: Placed): SlicedWork<void> {
		for (const [name, template] of isMap(templates.value) ? membersOf(templates) : []) {
			if (this.#used.has(name) || this.errors.length > 0) continue;
			const whole = yield* this.#extended(template, templates, [name]);
			if (!isMap(whole.value)) continue;
			const { issues } = yield* readPart(job, "steps" in whole.value ? whole.value : { ...whole.value, steps: ["true"] });
			const document = documentOf(whole, []);
			this.errors.push(...(yield* valueErrors(document, issues, [], `template ${code(name)}`)));
		}
	}

	/** Adds the errors in the value of a key. */
	*#addIssues(issues: readonly ValueIssue[], key: string, { origin }: Placed): SlicedWork<void> {
		const inKey = issues.map((issue) => ({ ...issue, path: [key, ...issue.path] }));
		const errors = yield* valueErrors(origin.document, inKey, origin.path.slice(0, -1));
		this.errors.push(...errors.map((error) => inFile(error, origin)));
	}

	#fail({ origin }: Placed, message: string, suggestion: string | null, atKey = false): void {
		const { document, path, via } = origin;
		this.errors.push(
			inFile(errorAt(document, [...path], via === null ? message : `${message} (from ${via})`, suggestion, { atKey }), origin),
		);
	}
}

function inFile(error: FieldError, { file }: Origin): FieldError {
	return file === null ? error : { ...error, file };
}
