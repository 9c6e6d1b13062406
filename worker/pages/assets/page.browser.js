// The status page's own script. Pages are whole without it; with it they keep themselves up to date.

const REFRESH_MS = 400;
/** More lines than this make a page slow; the log as text has them all. */
const MAX_LINES = 20000;

/** Counts on what has not ended: every element that says since when. */
function tick() {
	for (const element of document.querySelectorAll("[data-since]")) {
		const seconds = Math.max(0, Math.round((Date.now() - Number(element.dataset.since)) / 1000));
		const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
		element.textContent = hours > 0 ? `${hours}h ${minutes}m` : minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
	}
}

/** Fetches this page again and takes over its live parts. The server writes all markup; none is made here. */
async function refresh() {
	const response = await fetch(location.href, { headers: { Accept: "text/html" } });
	if (!response.ok) return;
	const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
	for (const part of document.querySelectorAll("[data-refresh]")) {
		const replacement = fresh.getElementById(part.id);
		if (replacement && replacement.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(replacement));
	}
	if (!document.getElementById("log") && fresh.getElementById("log")) location.reload();
	if (!fresh.body.dataset.live) delete document.body.dataset.live;
}

function keepFresh() {
	const events = new EventSource("/api/v1/events");
	let isPending = false;
	const soon = () => {
		if (isPending) return;
		isPending = true;
		setTimeout(async () => {
			isPending = false;
			await refresh().catch(() => undefined);
			if (!document.body.dataset.live) events.close();
		}, REFRESH_MS);
	};
	for (const kind of ["run", "job", "agent", "reset"]) events.addEventListener(kind, soon);
}

/** Adds the lines of a live log as they come, and stays at its end unless the reader has scrolled away. */
function followLog(log) {
	const source = new EventSource(log.dataset.stream);
	const end = document.getElementById("log-end");
	source.onmessage = (event) => {
		const isAtEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
		log.insertAdjacentHTML("beforeend", event.data);
		if (log.childElementCount > MAX_LINES) {
			source.close();
			end.textContent = "The log goes on; it is too long for this page. “as text” has all of it.";
		}
		if (isAtEnd && !location.hash) window.scrollTo(0, document.body.scrollHeight);
		showTarget();
	};
	source.addEventListener("end", () => {
		source.close();
		end.textContent = "End of the log.";
		refresh().catch(() => undefined);
	});
}

/** Brings the line that the address names into view once it is there. */
let shownTarget = null;
function showTarget() {
	const target = location.hash ? document.getElementById(location.hash.slice(1)) : null;
	if (!target || shownTarget === location.hash) return;
	shownTarget = location.hash;
	for (const other of document.querySelectorAll(".log .target")) other.classList.remove("target");
	target.classList.add("target");
	target.scrollIntoView({ block: "center" });
}

const log = document.getElementById("log");
if (log?.dataset.stream) followLog(log);
if (document.body.dataset.live) keepFresh();
setInterval(tick, 1000);
addEventListener("hashchange", () => {
	shownTarget = null;
	showTarget();
});
showTarget();
