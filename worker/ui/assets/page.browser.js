// The script of every page. Pages are whole without it; with it they keep themselves up to date.
import { followParts, tick } from "./updates.browser.js";

/** A hidden tab closes its stream after this time: browsers allow few streams to one host. */
const HIDDEN_MS = 60_000;

/** @type {EventSource | null} */
let stream = null;

function follow() {
	if (stream || !document.body.dataset.live || document.getElementById("log")?.dataset.live) return;
	const address = new URL(location.href);
	address.searchParams.set("live", document.body.dataset.live);
	if (document.body.dataset.acting) address.searchParams.set("acting", document.body.dataset.acting);
	stream = new EventSource(address);
	followParts(stream);
}

/** Sets up the switch that turns notifications on: browsers ask only after a click. */
function setUpNotifications() {
	const button = document.getElementById("notify");
	if (!(button instanceof HTMLButtonElement) || !("Notification" in window)) return;
	const show = () => {
		const isOn = localStorage.getItem("notify") === "yes" && Notification.permission === "granted";
		button.setAttribute("aria-pressed", String(isOn));
		button.hidden = false;
	};
	button.addEventListener("click", async () => {
		const wasOn = button.getAttribute("aria-pressed") === "true";
		const isAllowed = wasOn || (await Notification.requestPermission()) === "granted";
		localStorage.setItem("notify", wasOn || !isAllowed ? "no" : "yes");
		show();
	});
	show();
}

/** @type {Record<string, string>} */
const PLACES = { r: "/", p: "/projects", q: "/queue", a: "/agents", t: "/tests", s: "/settings", n: "/new" };
let isGoing = false;

/**
 * `/` searches, `j` and `k` walk through a list, `g` and a letter go to a page, `?` lists the keys.
 * @param {KeyboardEvent} event
 */
function onKey(event) {
	const target = /** @type {HTMLElement} */ (event.target);
	if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, [contenteditable]")) return;
	const { key } = event;
	if (isGoing && PLACES[key]) location.href = document.body.dataset.root + PLACES[key];
	isGoing = key === "g";
	if (key === "/") focusOn("header input[type=search]");
	else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
	else if (key === "?") location.href = `${document.body.dataset.root}/keys`;
	else return;
	event.preventDefault();
}

/** @param {string} selector */
function focusOn(selector) {
	const element = document.querySelector(selector);
	if (element instanceof HTMLElement) element.focus();
}

/** @param {number} by */
function step(by) {
	const links = [...document.querySelectorAll("[data-list] a.first")];
	const at = links.indexOf(/** @type {Element} */ (document.activeElement));
	const next = links[at === -1 && by < 0 ? links.length - 1 : at + by];
	if (next instanceof HTMLElement) next.focus();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let hiding;
addEventListener("visibilitychange", () => {
	clearTimeout(hiding);
	if (!document.hidden) follow();
	else if (localStorage.getItem("notify") !== "yes")
		hiding = setTimeout(() => {
			stream?.close();
			stream = null;
		}, HIDDEN_MS);
});
addEventListener("keydown", onKey);
// A chosen filter applies at once; without the script there is a button.
addEventListener("change", ({ target }) => {
	if (target instanceof HTMLSelectElement && target.form?.dataset.auto !== undefined) target.form.requestSubmit();
});
// A log has a stream of its own, with the updates of its page.
addEventListener("log-ended", follow);
addEventListener("page-settled", () => stream?.close());
// A job that begins while its page is open gets a log.
addEventListener("page-updated", () => document.getElementById("log") && import("./log.browser.js"));
setInterval(tick, 1000);
setUpNotifications();
follow();
