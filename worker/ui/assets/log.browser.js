// Starts the log on a job's page.

import { LogBlocks } from "./log_blocks.browser.js";
import { LogFolds } from "./log_folds.browser.js";
import { addFolds, followLog } from "./log_follow.browser.js";
import { setUpCopy, setUpSearch } from "./log_search.browser.js";

/** Near enough to the end of the page to follow new lines. */
const END_PIXELS = 200;

/** @param {HTMLElement} element the element of the log */
function startLog(element) {
	const folds = new LogFolds(element);
	const blocks = new LogBlocks(folds);
	for (const fold of folds.all()) blocks.update(fold);
	addEventListener("hashchange", () => showHash(folds, blocks));
	addEventListener("page-refreshed", () => addFolds(folds, blocks));
	addEventListener("wheel", () => {
		folds.isFollowing = folds.isLive && window.innerHeight + window.scrollY >= document.body.scrollHeight - END_PIXELS;
	});
	setUpSearch(folds);
	setUpCopy(folds);
	showHash(folds, blocks);
	if (!folds.isLive) return showFailure(folds, blocks);
	// The page may have been refreshed before this module was loaded.
	addFolds(folds, blocks);
	followLog(folds, blocks).catch((error) => folds.showError(error));
}

/**
 * Shows the line that the address names, such as `#L120`.
 * @param {LogFolds} folds
 * @param {LogBlocks} blocks
 */
function showHash(folds, blocks) {
	const [, number] = /^#L(\d+)$/.exec(location.hash) ?? [];
	if (!number) return;
	folds.isFollowing = false;
	blocks.show(Number(number) - 1).catch((error) => folds.showError(error));
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

const log = document.getElementById("log");
if (log) startLog(log);
