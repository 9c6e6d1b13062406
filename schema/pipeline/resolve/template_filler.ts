import { cacheKeyError } from "../../wire/caches.ts";
import { variableSizeError } from "../../wire/variable_size.ts";
import { ExpressionFailed } from "../expressions/evaluate.ts";
import type { Scope } from "../expressions/scope.ts";
import { expressionsOf, fill, fillEarly, needsValue, type Templated } from "../expressions/template.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { IMAGE, IMAGE_ERROR } from "../validate/containers.ts";
import type { ValidationError } from "../validate/errors.ts";
import type { Cell } from "../validate/matrix.ts";

/** Reading or evaluating an expression takes about this long. */
export const UNITS_OF_EXPRESSION = 100;

/** Fills in the texts of a pipeline, and collects the errors that show only then. */
export class TemplateFiller {
	readonly errors: ValidationError[] = [];

	/**
	 * The text with the values of the scope; as it is written, if it uses a parameter without a
	 * value.
	 */
	*fill(text: string, scope: Scope, path: string[]): SlicedWork<string> {
		yield unitsOf(text);
		return this.#safely(path, text, () => (needsValue(text, scope) ? text : fill(text, scope)));
	}

	/** The same of a text that may use needed jobs, and then stays a template. */
	*early(text: string, scope: Scope, path: string[]): SlicedWork<Templated> {
		yield unitsOf(text);
		return this.#safely(path, text, () => fillEarly(text, scope));
	}

	*earlyMap(map: Readonly<Record<string, string>> | undefined, scope: Scope, path: string[]): SlicedWork<Record<string, Templated>> {
		const filled: Record<string, Templated> = {};
		for (const [name, text] of Object.entries(map ?? {})) {
			const value = yield* this.early(text, scope, path);
			const error = typeof value === "string" ? variableSizeError(name, value) : null;
			if (error !== null) this.addError([...path, name], error);
			filled[name] = value;
		}
		return filled;
	}

	*earlyList(list: readonly string[], scope: Scope, path: string[]): SlicedWork<Templated[]> {
		const filled: Templated[] = [];
		for (const text of list) filled.push(yield* this.early(text, scope, path));
		return filled;
	}

	/** The values of a matrix job, or of a selection of matrix jobs. */
	*cell(cell: Cell, scope: Scope, path: string[]): SlicedWork<Cell> {
		const filled: Cell = {};
		for (const [axis, value] of Object.entries(cell)) filled[axis] = yield* this.fill(value, scope, path);
		return filled;
	}

	/** The key of a cache, checked if it is known by now. */
	*cacheKey(text: string, scope: Scope, path: string[]): SlicedWork<Templated> {
		const key = yield* this.early(text, scope, path);
		const error = typeof key === "string" ? cacheKeyError(key) : null;
		if (error !== null) this.addError(path, `The key of a cache ${error}, once its expressions are filled in.`);
		return key;
	}

	*cacheKeys(list: readonly string[], scope: Scope, path: string[]): SlicedWork<Templated[]> {
		const keys: Templated[] = [];
		for (const [index, text] of list.entries()) keys.push(yield* this.cacheKey(text, scope, [...path, String(index)]));
		return keys;
	}

	*image(text: string, scope: Scope, path: string[]): SlicedWork<Templated> {
		return this.checkedImage(yield* this.early(text, scope, path), path);
	}

	/** Checks an image whose name is known by now; the others are checked when their job begins. */
	checkedImage(image: Templated, path: string[]): Templated {
		if (typeof image === "string" && !IMAGE.test(image))
			this.addError(path, `${IMAGE_ERROR} The expression gives ${JSON.stringify(image)}.`);
		return image;
	}

	addError(path: string[], message: string): void {
		this.errors.push({ path, message, suggestion: null });
	}

	#safely<Value>(path: string[], fallback: Value, body: () => Value): Value {
		try {
			return body();
		} catch (error) {
			if (!(error instanceof ExpressionFailed)) throw error;
			this.addError(path, error.message);
			return fallback;
		}
	}
}

/** How long it takes to fill in a text. */
function unitsOf(text: string): number {
	return text.includes("${{") ? expressionsOf(text).length * UNITS_OF_EXPRESSION + text.length / 500 : 0.2;
}
