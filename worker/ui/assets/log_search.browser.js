// Searches the whole log on the server, and walks through the matches.

import { find } from "./log_folds.browser.js";

/**
 * @typedef {import("./log_folds.browser.js").LogFolds} LogFolds
 * @typedef {{ items: { line: number, text: string }[], next_line: number | null, message?: string }} SearchAnswer
 */

/** @param {LogFolds} folds */
export function setUpSearch(folds) {
	const form = find(folds.element, "search form", HTMLFormElement);
	const input = find(form, "input[name=q]", HTMLInputElement);
	const found = find(folds.element, ".found", HTMLElement);
	const walk = setUpWalk(folds);
	/** @param {string} text @param {number} from */
	const search = async (text, from) => {
		const answer = await fetchMatches(folds, text, from);
		found.append(...answer.items.map(({ line, text: words }) => matchItem(line, words)));
		walk.add(answer.items.map(({ line }) => line));
		const next = answer.next_line;
		if (next !== null) {
			const words = answer.items.length > 0 ? "More" : `No match before line ${(next + 1).toLocaleString("en")}. Continue`;
			found.append(moreItem(words, () => search(text, next).catch((error) => folds.showError(error))));
		} else if (found.childElementCount === 0) found.append(itemOf("No match in this log."));
	};
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		const text = input.value;
		found.replaceChildren();
		walk.clear();
		found.hidden = text === "";
		if (text !== "") search(text, 0).catch((error) => folds.showError(error));
	});
}

/**
 * The buttons that go to the next and the previous match.
 * @param {LogFolds} folds
 */
function setUpWalk({ element }) {
	const box = find(element, ".matches", HTMLElement);
	const status = find(box, "[role=status]", HTMLElement);
	/** @type {number[]} */
	let lines = [];
	let at = -1;
	/** @param {number} by */
	const go = (by) => {
		if (lines.length === 0) return;
		at = (at + by + lines.length) % lines.length;
		status.textContent = `${at + 1} of ${lines.length}`;
		location.hash = `#L${(lines[at] ?? 0) + 1}`;
	};
	find(box, ".next", HTMLButtonElement).addEventListener("click", () => go(1));
	find(box, ".previous", HTMLButtonElement).addEventListener("click", () => go(at < 0 ? 0 : -1));
	return {
		/** @param {number[]} more */
		add(more) {
			lines = [...lines, ...more];
			box.hidden = lines.length === 0;
			status.textContent = `${lines.length} found`;
		},
		clear() {
			lines = [];
			at = -1;
			box.hidden = true;
		},
	};
}

/**
 * @param {LogFolds} folds
 * @param {string} text
 * @param {number} from
 * @returns {Promise<SearchAnswer>}
 */
async function fetchMatches({ root, job, query }, text, from) {
	const response = await fetch(`${root}/api/v1/jobs/${job}/log/search?${query}&q=${encodeURIComponent(text)}&from=${from}`);
	const answer = await response.json();
	if (!response.ok) throw new Error(answer.message);
	return answer;
}

/** @param {number} line @param {string} text */
function matchItem(line, text) {
	const link = document.createElement("a");
	link.href = `#L${line + 1}`;
	link.textContent = String(line + 1);
	return itemOf(link, " ", text);
}

/** @param {string} text @param {() => void} onClick */
function moreItem(text, onClick) {
	const button = document.createElement("button");
	button.type = "button";
	button.textContent = text;
	const item = itemOf(button);
	button.addEventListener("click", () => {
		item.remove();
		onClick();
	});
	return item;
}

/** @param {(string | Node)[]} content */
function itemOf(...content) {
	const item = document.createElement("li");
	item.append(...content);
	return item;
}
