// Fetches the lines of a log as they come into view and removes lines that are far away: the page
// shows a log of any length with a few thousand lines.

import { elementsOf, firstOf, listOf, numberOf, shownFrom, shownTo } from "./log_folds.browser.js";

/** @typedef {import("./log_folds.browser.js").LogFolds} LogFolds */

/** How many lines are fetched at once. */
const BLOCK_LINES = 500;
/** How many lines a fold shows at most. */
export const MAX_LINES = 3000;

export class LogBlocks {
	/** Presses the buttons that come into view. */
	#inView = new IntersectionObserver((entries) => {
		for (const { isIntersecting, target } of entries) {
			if (isIntersecting && target instanceof HTMLElement && target.closest("details")?.open) target.click();
		}
	});

	/** @param {LogFolds} folds */
	constructor(folds) {
		this.folds = folds;
	}

	/**
	 * @param {number} from the number of the first line; negative: counted from the end
	 * @param {number} count
	 * @returns {Promise<{ lines: Element[], next: number, nextOffset: number }>} the lines, and
	 * where the next one begins
	 */
	async fetch(from, count) {
		const { root, job, query } = this.folds;
		const response = await fetch(`${root}/jobs/${job}/log/block?${query}&from=${from}&count=${count}`);
		if (!response.ok) throw new Error(`The log cannot be read: status ${response.status}.`);
		/** @param {string} name */
		const numberIn = (name) => Number(response.headers.get(name));
		this.folds.total = Math.max(this.folds.total, numberIn("X-Total-Lines"));
		const next = numberIn("X-First-Line") + numberIn("X-Line-Count");
		return { lines: elementsOf(await response.text()), next, nextOffset: numberIn("X-Next-Offset") };
	}

	/**
	 * Shows the last lines of the log in its last fold.
	 * @returns where the next line begins; null without folds
	 */
	async showEnd() {
		const fold = this.folds.all().at(-1);
		if (!fold) return null;
		const { lines, next, nextOffset } = await this.fetch(-BLOCK_LINES, BLOCK_LINES);
		listOf(fold).replaceChildren(...lines.filter((line) => numberOf(line) >= firstOf(fold)));
		this.update(fold);
		return { next, nextOffset };
	}

	/** Shows a line, wherever it is. @param {number} line */
	async show(line) {
		if (!(line >= 0 && line < this.folds.total)) return;
		const fold = this.folds.ofLine(line);
		if (!fold) return;
		fold.open = true;
		const id = `L${line + 1}`;
		if (!document.getElementById(id)) {
			const from = Math.max(firstOf(fold), line - BLOCK_LINES / 2);
			const { lines } = await this.fetch(from, Math.min(BLOCK_LINES, this.folds.endOf(fold) - from));
			listOf(fold).replaceChildren(...lines);
			this.update(fold);
		}
		for (const other of this.folds.element.querySelectorAll(".target")) other.classList.remove("target");
		const target = document.getElementById(id);
		target?.classList.add("target");
		target?.scrollIntoView({ block: "center" });
	}

	/**
	 * Shows how many lines are hidden before and after the shown ones.
	 * @param {HTMLDetailsElement} fold
	 */
	update(fold) {
		const { up, down } = this.#buttonsOf(fold);
		label(up, "▲", shownFrom(fold) - firstOf(fold));
		label(down, "▼", this.folds.endOf(fold) - shownTo(fold));
	}

	/** The buttons before and after the lines of a fold. @param {HTMLDetailsElement} fold */
	#buttonsOf(fold) {
		const [up, down] = fold.querySelectorAll("button.more");
		if (up instanceof HTMLButtonElement && down instanceof HTMLButtonElement) return { up, down };
		fold.addEventListener("toggle", () => this.update(fold));
		return { up: this.#addButton(fold, "up"), down: this.#addButton(fold, "down") };
	}

	/** @param {HTMLDetailsElement} fold @param {"up" | "down"} direction */
	#addButton(fold, direction) {
		const button = document.createElement("button");
		button.type = "button";
		button.className = `more ${direction}`;
		button.addEventListener("click", () => this.#onClick(fold, direction, button));
		if (direction === "up") listOf(fold).before(button);
		else listOf(fold).after(button);
		this.#inView.observe(button);
		return button;
	}

	/**
	 * @param {HTMLDetailsElement} fold
	 * @param {"up" | "down"} direction
	 * @param {HTMLButtonElement} button
	 */
	async #onClick(fold, direction, button) {
		if (button.disabled) return;
		button.disabled = true;
		try {
			if (direction === "down") await this.#growDown(fold);
			else await this.#growUp(fold);
			this.update(fold);
		} catch (error) {
			this.folds.showError(error);
		}
		button.disabled = false;
		// A block may be shorter than the window: the button may still be in view.
		this.#inView.unobserve(button);
		this.#inView.observe(button);
	}

	/** @param {HTMLElement} fold */
	async #growDown(fold) {
		const list = listOf(fold);
		const from = shownTo(fold);
		const { lines } = await this.fetch(from, Math.min(BLOCK_LINES, this.folds.endOf(fold) - from));
		list.append(...lines.filter((line) => numberOf(line) >= shownTo(fold)));
		removeFirstLines(list);
	}

	/** @param {HTMLElement} fold */
	async #growUp(fold) {
		const list = listOf(fold);
		const to = shownFrom(fold);
		const from = Math.max(firstOf(fold), to - BLOCK_LINES);
		const { lines } = await this.fetch(from, to - from);
		list.prepend(...lines);
		while (list.childElementCount > MAX_LINES) list.lastElementChild?.remove();
	}
}

/** Removes the first lines of a list with too many. @param {HTMLElement} list */
export function removeFirstLines(list) {
	while (list.childElementCount > MAX_LINES) list.firstElementChild?.remove();
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} arrow
 * @param {number} hidden how many lines the button stands for
 */
function label(button, arrow, hidden) {
	button.hidden = hidden <= 0;
	button.textContent = `${arrow} ${hidden.toLocaleString("en")} more ${hidden === 1 ? "line" : "lines"}`;
}
