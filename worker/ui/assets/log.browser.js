// Starts the log on a job's page.

import { LogBlocks } from "./log_blocks.browser.js";
import { LogFolds } from "./log_folds.browser.js";
import { addFolds, followLog } from "./log_follow.browser.js";
import { setUpSearch } from "./log_search.browser.js";
import { markRange, setUpTools, showFollowing } from "./log_tools.browser.js";

/** Near enough to the end of the page to follow new lines. */
const END_PIXELS = 200;

/** @param {HTMLElement} element the element of the log */
function startLog(element) {
	const folds = new LogFolds(element);
	const blocks = new LogBlocks(folds);
	for (const fold of folds.all()) blocks.update(fold);
	addEventListener("hashchange", () => showHash(folds, blocks));
	addEventListener("page-updated", () => folds.element.isConnected && addFolds(folds, blocks));
	addEventListener("wheel", () => {
		folds.isFollowing = folds.isLive && window.innerHeight + window.scrollY >= document.body.scrollHeight - END_PIXELS;
		showFollowing(folds);
	});
	showFollowing(folds);
	setUpSearch(folds);
	setUpTools(folds);
	showHash(folds, blocks);
	if (!folds.isLive) return showFailure(folds, blocks);
	// The page may have been refreshed before this module was loaded.
	addFolds(folds, blocks);
	followLog(folds, blocks).catch((error) => folds.showError(error));
}

/**
 * Shows the line or the lines that the address names, such as `#L120` and `#L120-L130`.
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 */
function showHash(folds, blocks) {
	const [, number, end] = /^#L(\d+)(?:-L(\d+))?$/.exec(location.hash) ?? [];
	if (!number) return;
	folds.isFollowing = false;
	showFollowing(folds);
	blocks
		.show(Number(number) - 1)
		.then(() => markRange(folds, Number(number), Number(end ?? number)))
		.catch((error) => folds.showError(error));
}

/**
 * Shows the end of the failed step in a log that is longer than the page shows.
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 */
function showFailure(folds, blocks) {
	if (location.hash || Number(folds.element.dataset.shown) >= folds.total) return;
	const failed = folds.all().find((fold) => fold.querySelector("summary .state.failed, summary .state.timed_out"));
	if (failed) blocks.show(folds.endOf(failed) - 1).catch(() => undefined);
}

/** @type {HTMLElement | null} */
let started = null;

/** Starts the log of the page. A new attempt has a new log. */
function start() {
	const log = document.getElementById("log");
	if (!log || log === started) return;
	started = log;
	startLog(log);
}

addEventListener("page-updated", start);
start();
