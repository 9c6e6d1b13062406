// The switches above a log, links to ranges of lines, groups, and copying.

import { find, numberOf } from "./log_folds.browser.js";

/** @typedef {import("./log_folds.browser.js").LogFolds} LogFolds */

/** A longer log is not copied: the reader downloads it. */
const MAX_COPIED_BYTES = 5_000_000;

/** @param {LogFolds} folds */
export function setUpTools(folds) {
	setUpSwitch(folds, "times", "no-times");
	setUpSwitch(folds, "wrap", "no-wrap");
	setUpCopy(folds);
	const follow = find(folds.element, "button.follow", HTMLButtonElement);
	follow.addEventListener("click", () => {
		folds.isFollowing = !folds.isFollowing;
		showFollowing(folds);
		folds.scrollToEnd();
	});
	folds.element.addEventListener("click", (event) => onClick(folds, event));
}

/** Shows whether the page scrolls with new lines. @param {LogFolds} folds */
export function showFollowing({ element, isLive, isFollowing }) {
	const button = find(element, "button.follow", HTMLButtonElement);
	button.hidden = !isLive;
	button.setAttribute("aria-pressed", String(isFollowing));
}

/**
 * A switch whose state the browser remembers.
 * @param {LogFolds} folds
 * @param {string} name
 * @param {string} off the class without it
 */
function setUpSwitch({ element }, name, off) {
	const button = find(element, `button.${name}`, HTMLButtonElement);
	const show = () => {
		const isOff = localStorage.getItem(off) === "yes";
		element.classList.toggle(off, isOff);
		button.setAttribute("aria-pressed", String(!isOff));
	};
	button.hidden = false;
	button.addEventListener("click", () => {
		localStorage.setItem(off, element.classList.contains(off) ? "no" : "yes");
		show();
	});
	show();
}

/**
 * A click on a group folds it; a click on a number with Shift selects the lines up to it.
 * @param {LogFolds} folds
 * @param {MouseEvent} event
 */
function onClick(folds, event) {
	const line = event.target instanceof Element ? event.target.closest("li") : null;
	if (!line || !folds.element.contains(line)) return;
	const isNumber = event.target instanceof HTMLAnchorElement && event.target.hash.startsWith("#L");
	const [, first] = /^#L(\d+)/.exec(location.hash) ?? [];
	if (isNumber && event.shiftKey && first) {
		event.preventDefault();
		const [from, to] = [Number(first), numberOf(line) + 1].sort((a, b) => a - b);
		location.hash = `#L${from}-L${to}`;
	} else if (!isNumber && line.classList.contains("group")) toggleGroup(line);
}

/** @param {Element} group */
function toggleGroup(group) {
	const isClosed = group.classList.toggle("closed");
	for (let line = group.nextElementSibling; line && !line.classList.contains("group"); line = line.nextElementSibling) {
		if (line instanceof HTMLElement) line.hidden = isClosed;
		if (line.classList.contains("endgroup")) return;
	}
}

/**
 * Marks lines, numbered from 1.
 * @param {LogFolds} folds
 * @param {number} from
 * @param {number} to
 */
export function markRange({ element }, from, to) {
	for (const marked of element.querySelectorAll(".target")) marked.classList.remove("target");
	for (const line of element.querySelectorAll("ol.log li")) {
		const number = numberOf(line) + 1;
		line.classList.toggle("target", number >= from && number <= to);
	}
}

/** @param {LogFolds} folds */
function setUpCopy({ element, root, job, query }) {
	const button = find(element, "button.copy", HTMLButtonElement);
	button.hidden = false;
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
