// The status page's own script. Pages are whole without it; with it they keep themselves up to date.

const REFRESH_MS = 400;

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
	dispatchEvent(new Event("page-refreshed"));
}

function keepFresh() {
	const events = new EventSource(`${document.body.dataset.root}/api/v1/events`);
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
	// `open`: what has changed between the rendering of this page and now, no event will tell.
	for (const kind of ["open", "run", "job", "agent", "reset"]) events.addEventListener(kind, soon);
}

if (document.body.dataset.live) keepFresh();
setInterval(tick, 1000);
// A log that has ended brings the end of its job with it.
addEventListener("log-ended", () => refresh().catch(() => undefined));
