// Searches the whole log on the server, and copies it.

import { find } from "./log_folds.browser.js";

/**
 * @typedef {import("./log_folds.browser.js").LogFolds} LogFolds
 * @typedef {{ items: { line: number, text: string }[], next_line: number | null, message?: string }} SearchAnswer
 */

/** A longer log is not copied: the reader downloads it. */
const MAX_COPIED_BYTES = 5_000_000;

/** @param {LogFolds} folds */
export function setUpSearch(folds) {
	const form = find(folds.element, "search form", HTMLFormElement);
	const input = find(form, "input[name=q]", HTMLInputElement);
	const found = find(folds.element, ".found", HTMLElement);
	/** @param {string} text @param {number} from */
	const search = async (text, from) => {
		const answer = await fetchMatches(folds, text, from);
		found.append(...answer.items.map(({ line, text: words }) => matchItem(line, words)));
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
		found.hidden = text === "";
		if (text !== "") search(text, 0).catch((error) => folds.showError(error));
	});
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

/** @param {LogFolds} folds */
export function setUpCopy({ element, root, job, query }) {
	const button = find(element, "button.copy", HTMLButtonElement);
	const address = `${root}/api/v1/jobs/${job}/log?${query}`;
	button.addEventListener("click", async () => {
		const response = await fetch(address, { headers: { Range: `bytes=0-${MAX_COPIED_BYTES}` } });
		const [, size] = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "") ?? [];
		if (Number(size) > MAX_COPIED_BYTES) {
			button.textContent = "The log is too long to copy. Download it.";
			return;
		}
		const clean = await fetch(`${address}&format=clean`);
		await navigator.clipboard.writeText(await clean.text());
		button.textContent = "Copied";
	});
}
