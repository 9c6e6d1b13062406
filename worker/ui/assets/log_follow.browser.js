// Follows a live log: appends new lines, and adds folds for steps that have begun.

import { MAX_LINES, removeFirstLines } from "./log_blocks.browser.js";
import { elementsOf, find, firstOf, listOf, numberOf, shownTo, stepNameOf } from "./log_folds.browser.js";
import { followParts } from "./updates.browser.js";

/**
 * @typedef {import("./log_blocks.browser.js").LogBlocks} LogBlocks
 * @typedef {import("./log_folds.browser.js").LogFolds} LogFolds
 */

/**
 * Follows a live log from its end; the page was sent with its beginning.
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 */
export async function followLog(folds, blocks) {
	const { shown, next } = folds.element.dataset;
	if (folds.total - Number(shown) < MAX_LINES) return follow(folds, blocks, Number(next), Number(shown) + 1);
	const end = await blocks.showEnd();
	if (end) follow(folds, blocks, end.nextOffset, end.next + 1);
}

/**
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 * @param {number} offset
 * @param {number} number of the next line, from 1
 */
function follow(folds, blocks, offset, number) {
	const acting = document.body.dataset.acting ? `&acting=${document.body.dataset.acting}` : "";
	const live = document.body.dataset.live ? `&live=${document.body.dataset.live}${acting}` : "";
	const source = new EventSource(`${folds.root}/jobs/${folds.job}/lines?${folds.query}&offset=${offset}&number=${number}${live}`);
	followParts(source);
	source.onmessage = (event) => appendLines(folds, blocks, elementsOf(event.data));
	source.addEventListener("partial", (event) => showPartialLine(folds, elementsOf(event.data)[0]));
	source.addEventListener("end", () => {
		source.close();
		delete folds.element.dataset.live;
		folds.end.textContent = "End of the log.";
		dispatchEvent(new Event("log-ended"));
	});
}

/** @param {LogFolds} folds @param {LogBlocks} blocks @param {Element[]} lines */
function appendLines(folds, blocks, lines) {
	const last = lines.at(-1);
	if (!last) return;
	folds.partialLine()?.remove();
	folds.total = Math.max(folds.total, numberOf(last) + 1);
	for (const line of lines) {
		const fold = folds.ofLine(numberOf(line));
		if (!fold) continue;
		// A reader elsewhere in the log finds the line later: only the end of the shown lines
		// grows.
		if (shownTo(fold) === numberOf(line)) listOf(fold).append(line);
		if (folds.isFollowing) removeFirstLines(listOf(fold));
	}
	const fold = folds.ofLine(folds.total - 1);
	if (fold) blocks.update(fold);
	folds.scrollToEnd();
}

/** @param {LogFolds} folds @param {Element | undefined} line */
function showPartialLine(folds, line) {
	if (!line) return;
	const former = folds.partialLine();
	if (former?.id === line.id) {
		former.replaceWith(line);
		return;
	}
	former?.remove();
	const fold = folds.ofLine(numberOf(line));
	if (!fold || shownTo(fold) !== numberOf(line)) return;
	listOf(fold).append(line);
	folds.scrollToEnd();
}

/**
 * Takes over the states of steps, and adds a fold for each step that has begun.
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 */
export function addFolds(folds, blocks) {
	for (const step of document.querySelectorAll("#steps .steps li[data-line]")) {
		if (!(step instanceof HTMLElement)) continue;
		const first = Number(step.dataset.line);
		const known = folds.all().find((fold) => firstOf(fold) === first && stepNameOf(fold) === stepNameOf(step));
		if (known) find(known, "summary", HTMLElement).replaceChildren(...copyOf(step));
		// In a truncated log several steps may begin at the same notice: one of them stands for
		// all.
		else if (!folds.all().some((fold) => firstOf(fold) === first && stepNameOf(fold) !== null)) addFold(folds, blocks, step, first);
	}
}

/**
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 * @param {HTMLElement} step
 * @param {number} first its first line
 */
function addFold(folds, blocks, step, first) {
	const fold = document.createElement("details");
	fold.className = "fold";
	fold.open = true;
	fold.dataset.first = String(first);
	const summary = document.createElement("summary");
	summary.append(...copyOf(step));
	const list = document.createElement("ol");
	list.className = "log";
	fold.append(summary, list);
	const before = folds.ofLine(first);
	if (before) {
		list.append(...[...listOf(before).children].filter((line) => numberOf(line) >= first));
		before.dataset.end = String(first);
		before.after(fold);
		blocks.update(before);
		if (firstOf(before) >= first) before.remove();
	} else folds.end.before(fold);
	blocks.update(fold);
}

/** @param {HTMLElement} step */
function copyOf(step) {
	return step.cloneNode(true).childNodes;
}
