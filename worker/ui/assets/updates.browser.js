// Brings the parts of an open page up to date. The server writes all markup.

import { morph } from "./morph.browser.js";

/**
 * A duration in words, as the server writes it.
 * @param {number} ms
 */
function duration(ms) {
	const seconds = Math.max(0, Math.round(ms / 1000));
	if (seconds < 60) return `${seconds}s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) return seconds % 60 ? `${minutes}m ${seconds % 60}s` : `${minutes}m`;
	const hours = Math.floor(minutes / 60);
	if (hours < 24) return minutes % 60 ? `${hours}h ${minutes % 60}m` : `${hours}h`;
	return hours % 24 ? `${Math.floor(hours / 24)}d ${hours % 24}h` : `${Math.floor(hours / 24)}d`;
}

/** @param {number} ms */
function age(ms) {
	if (ms < 5000) return "just now";
	const unit = [86400e3, 3600e3, 60e3].find((one) => ms >= one) ?? 1e3;
	return `${duration(Math.floor(ms / unit) * unit)} ago`;
}

/** Writes the times that depend on now. */
export function tick() {
	const now = Date.now();
	for (const element of document.querySelectorAll("[data-ago], [data-since]")) {
		if (!(element instanceof HTMLElement)) continue;
		const { ago, since, usual, left } = element.dataset;
		const ms = now - Number(since);
		if (element instanceof HTMLProgressElement) element.value = Math.max(0, Math.min(99, (100 * ms) / Number(usual)));
		else if (left)
			write(element, ms < Number(left) ? `about ${duration(Number(left) - ms)} left` : `usually takes ${duration(Number(left))}`);
		else write(element, ago ? age(now - Number(ago)) : duration(ms));
	}
}

/**
 * Unchanged text stays, so that a selection of it stays.
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/**
 * Brings the changed parts of the page up to date. The server writes all markup.
 * @param {{ title?: string, icon?: string, signature: string, parts: [string, string, string?][] }} update
 */
function apply({ title, icon, signature, parts }) {
	for (const [id, text, own] of parts) {
		const place = document.getElementById(id) ?? document.querySelector(`template[data-part="${CSS.escape(id)}"]`);
		const fresh = document.createElement("template");
		fresh.innerHTML = text;
		const element = fresh.content.firstElementChild;
		if (!place || !element) continue;
		const inner = partsNamedIn(element);
		if (place instanceof HTMLTemplateElement) place.replaceWith(element);
		else if (!own) morph(place, element);
		// A part that has moved to another parent has only its place there.
		for (const [template, part] of inner) if (template.isConnected) template.replaceWith(part);
	}
	if (document.body.dataset.live) document.body.dataset.live = signature;
	if (title && title !== document.title) {
		document.title = title;
		document.querySelector("link[rel=icon]")?.setAttribute("href", document.body.dataset.root + (icon ?? ""));
		announce(title.replace(" · Windlass", ""));
	}
	tick();
	dispatchEvent(new Event("page-updated"));
}

/**
 * The places of parts in new markup, each with the part that the page has.
 * @param {Element} element
 * @returns {[Element, Element][]}
 */
function partsNamedIn(element) {
	return [...element.querySelectorAll("template[data-part]")].flatMap((template) => {
		const part = document.getElementById(template.getAttribute("data-part") ?? "");
		return part ? [[template, part]] : [];
	});
}

/**
 * Says a change of the page's state to screen readers, and as a notification if the reader wants it.
 * @param {string} text
 */
function announce(text) {
	const news = document.getElementById("news");
	if (news) news.textContent = text;
	if (document.hidden && !text.startsWith("●") && localStorage.getItem("notify") === "yes") new Notification(text);
}

/**
 * Applies the updates of a stream. Without further updates it closes the stream.
 * @param {EventSource} source
 */
export function followParts(source) {
	source.addEventListener("parts", ({ data }) => apply(JSON.parse(data)));
	source.addEventListener("settled", () => {
		delete document.body.dataset.live;
		dispatchEvent(new Event("page-settled"));
	});
}
