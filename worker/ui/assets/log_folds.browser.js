// The log on a job's page: folds, one for each step, with lines of the log. The server writes all
// markup.

/**
 * The element that a selector finds; its absence is a bug of the page.
 * @template {HTMLElement} Found
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Found} type
 * @returns {Found}
 */
export function find(parent, selector, type) {
	const found = parent.querySelector(selector);
	if (found instanceof type) return found;
	throw new Error(`the page has no ${selector}`);
}

/** @param {string} html @returns {Element[]} */
export function elementsOf(html) {
	const template = document.createElement("template");
	template.innerHTML = html;
	return [...template.content.children];
}

/** The number of a line, from 0. @param {Element} line */
export function numberOf(line) {
	return Number(line.id.slice(1)) - 1;
}

/** The list of a fold's lines. @param {HTMLElement} fold */
export function listOf(fold) {
	return find(fold, "ol.log", HTMLElement);
}

/** The number of a fold's first line. @param {HTMLElement} fold */
export function firstOf(fold) {
	return Number(fold.dataset.first);
}

/**
 * The name of a fold's step; null for the lines before the first step.
 * @param {HTMLElement} fold
 */
export function stepNameOf(fold) {
	return fold.querySelector(".name")?.textContent ?? null;
}

/** The number of the first line that a fold shows. @param {HTMLElement} fold */
export function shownFrom(fold) {
	const line = listOf(fold).firstElementChild;
	return line ? numberOf(line) : firstOf(fold);
}

/**
 * The number of the line after the last complete one that a fold shows.
 * @param {HTMLElement} fold
 */
export function shownTo(fold) {
	const last = listOf(fold).lastElementChild;
	const complete = last?.classList.contains("partial") ? last.previousElementSibling : last;
	return complete ? numberOf(complete) + 1 : firstOf(fold);
}

export class LogFolds {
	/** @param {HTMLElement} element the element of the log */
	constructor(element) {
		this.element = element;
		this.job = element.dataset.job ?? "";
		this.query = `attempt=${element.dataset.attempt}`;
		/** The path of the public address. */
		this.root = document.body.dataset.root ?? "";
		/** The line below the log, for its end and for errors. */
		this.end = find(document, "#log-end", HTMLElement);
		/** How many complete lines the log has. */
		this.total = Number(element.dataset.total);
		this.isLive = element.dataset.live === "yes";
		/**
		 * Whether the page scrolls with new lines: until the reader scrolls away or asks for a
		 * line.
		 */
		this.isFollowing = this.isLive && !location.hash;
	}

	all() {
		return [...this.element.querySelectorAll("details.fold")].filter((fold) => fold instanceof HTMLDetailsElement);
	}

	/** The fold that holds a line. @param {number} line */
	ofLine(line) {
		return this.all().findLast((fold) => firstOf(fold) <= line);
	}

	/** The number of the line after a fold's last. @param {HTMLElement} fold */
	endOf(fold) {
		return fold.dataset.end === undefined ? this.total : Math.min(this.total, Number(fold.dataset.end));
	}

	/** The line that is not complete yet; it is replaced as it grows. */
	partialLine() {
		return this.element.querySelector("li.partial");
	}

	/** @param {unknown} error */
	showError(error) {
		this.end.textContent = error instanceof Error ? error.message : String(error);
	}

	scrollToEnd() {
		if (this.isFollowing) window.scrollTo(0, document.body.scrollHeight);
	}
}
