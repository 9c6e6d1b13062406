// The script of the status page. Pages are whole without it; with it they keep themselves up to
// date.

/** Events come in bursts: the page is refreshed once for those of this time. */
const REFRESH_MS = 400;

/** Updates the durations of all elements that name the start of something. */
function tick() {
	for (const element of document.querySelectorAll("[data-since]")) {
		if (!(element instanceof HTMLElement)) continue;
		const seconds = Math.max(0, Math.round((Date.now() - Number(element.dataset.since)) / 1000));
		const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
		element.textContent = hours > 0 ? `${hours}h ${minutes}m` : minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
	}
}

/** Fetches this page again and replaces its live parts. The server writes all markup. */
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
	const refreshSoon = () => {
		if (isPending) return;
		isPending = true;
		setTimeout(async () => {
			isPending = false;
			await refresh().catch(() => undefined);
			if (!document.body.dataset.live) events.close();
		}, REFRESH_MS);
	};
	// `open`: no event reports a change between the rendering of this page and now.
	for (const kind of ["open", "run", "job", "agent", "reset"]) events.addEventListener(kind, refreshSoon);
}

if (document.body.dataset.live) keepFresh();
setInterval(tick, 1000);
// The end of a log comes with the end of its job.
addEventListener("log-ended", () => refresh().catch(() => undefined));
