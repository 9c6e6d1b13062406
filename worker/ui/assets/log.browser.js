// The log on a job's page. The server writes all markup; this script fetches lines as they come into view, drops those that are far
// away, and so shows a log of any length with a few thousand lines in the page.

/** Lines that are fetched at once, and kept in one part of the log. */
const BLOCK = 500;
const MOST = 3000;
/** Longer logs are not copied: they are downloaded. */
const COPIED_BYTES = 5_000_000;

const view = document.getElementById("log");
if (view) start(view);

function start(log) {
	const { job, attempt } = log.dataset;
	const query = `attempt=${attempt}`;
	const { root } = document.body.dataset;
	const end = document.getElementById("log-end");
	let total = Number(log.dataset.total);
	/** Whether the reader wants to see what comes: until they scroll away, or ask for a line. */
	let isFollowing = log.dataset.live === "yes" && !location.hash;

	const folds = () => [...log.querySelectorAll("details.fold")];
	const listOf = (fold) => fold.querySelector("ol.log");
	const firstOf = (fold) => Number(fold.dataset.first);
	const endOf = (fold) => (fold.dataset.end === undefined ? total : Math.min(total, Number(fold.dataset.end)));
	const numberOf = (line) => Number(line.id.slice(1)) - 1;
	const shownFrom = (fold) => (listOf(fold).firstElementChild ? numberOf(listOf(fold).firstElementChild) : firstOf(fold));
	/** The line that is not complete yet; it is put in place anew with each state of it. */
	const partialLine = () => log.querySelector("li.partial");
	const lastOf = (fold) => {
		const last = listOf(fold).lastElementChild;
		return last?.classList.contains("partial") ? last.previousElementSibling : last;
	};
	const shownTo = (fold) => (lastOf(fold) ? numberOf(lastOf(fold)) + 1 : firstOf(fold));
	const foldOfLine = (line) => folds().findLast((fold) => firstOf(fold) <= line);

	async function fetchBlock(from, count) {
		const response = await fetch(`${root}/jobs/${job}/log/block?${query}&from=${from}&count=${count}`);
		if (!response.ok) throw new Error(`the log cannot be read: ${response.status}`);
		total = Math.max(total, Number(response.headers.get("X-Total-Lines")));
		const template = document.createElement("template");
		template.innerHTML = await response.text();
		const next = Number(response.headers.get("X-First-Line")) + Number(response.headers.get("X-Line-Count"));
		return { lines: [...template.content.children], next, nextOffset: Number(response.headers.get("X-Next-Offset")) };
	}

	/** Buttons for what is before and after the shown lines; they press themselves when they come into view. */
	const inView = new IntersectionObserver((entries) => {
		for (const entry of entries) if (entry.isIntersecting && entry.target.closest("details").open) entry.target.click();
	});

	function addButtons(fold) {
		if (fold.querySelector("button.more")) return;
		for (const direction of ["up", "down"]) {
			const button = document.createElement("button");
			button.type = "button";
			button.className = `more ${direction}`;
			button.addEventListener("click", () => grow(fold, direction, button));
			if (direction === "up") listOf(fold).before(button);
			else listOf(fold).after(button);
			inView.observe(button);
		}
		fold.addEventListener("toggle", () => label(fold));
	}

	function label(fold) {
		addButtons(fold);
		const before = shownFrom(fold) - firstOf(fold);
		const after = endOf(fold) - shownTo(fold);
		const words = (count) => `${count.toLocaleString("en")} more ${count === 1 ? "line" : "lines"}`;
		const [up, down] = fold.querySelectorAll("button.more");
		up.hidden = before <= 0;
		up.textContent = `▲ ${words(before)}`;
		down.hidden = after <= 0;
		down.textContent = `▼ ${words(after)}`;
	}

	async function grow(fold, direction, button) {
		if (button.disabled) return;
		button.disabled = true;
		try {
			const list = listOf(fold);
			if (direction === "down") {
				const from = shownTo(fold);
				const { lines } = await fetchBlock(from, Math.min(BLOCK, endOf(fold) - from));
				list.append(...lines.filter((line) => numberOf(line) >= shownTo(fold)));
				while (list.childElementCount > MOST) list.firstElementChild.remove();
			} else {
				const to = shownFrom(fold);
				const from = Math.max(firstOf(fold), to - BLOCK);
				const { lines } = await fetchBlock(from, to - from);
				list.prepend(...lines);
				while (list.childElementCount > MOST) list.lastElementChild.remove();
			}
			label(fold);
		} catch (error) {
			end.textContent = error.message;
		}
		button.disabled = false;
		// Still in view after it has grown: a block may be shorter than the window.
		inView.unobserve(button);
		inView.observe(button);
	}

	/** Shows a line, wherever it is. */
	async function show(line) {
		if (!(line >= 0 && line < total)) return;
		const fold = foldOfLine(line);
		if (!fold) return;
		fold.open = true;
		if (!document.getElementById(`L${line + 1}`)) {
			const from = Math.max(firstOf(fold), line - BLOCK / 2);
			const { lines } = await fetchBlock(from, Math.min(BLOCK, endOf(fold) - from));
			listOf(fold).replaceChildren(...lines);
			label(fold);
		}
		const target = document.getElementById(`L${line + 1}`);
		for (const other of log.querySelectorAll(".target")) other.classList.remove("target");
		target?.classList.add("target");
		target?.scrollIntoView({ block: "center" });
	}

	function showHash() {
		const [, number] = /^#L(\d+)$/.exec(location.hash) ?? [];
		if (number) {
			isFollowing = false;
			show(Number(number) - 1).catch((error) => {
				end.textContent = error.message;
			});
		}
	}

	/** A step has begun since: what is shown of it moves into a part of its own. */
	function addFolds() {
		const known = new Set(folds().map((fold) => `${firstOf(fold)} ${fold.querySelector(".name")?.textContent ?? ""}`));
		for (const step of document.querySelectorAll("#job .steps li[data-line]")) {
			const first = Number(step.dataset.line);
			const name = step.querySelector(".name").textContent;
			if (known.has(`${first} ${name}`)) {
				const fold = folds().find((one) => firstOf(one) === first && one.querySelector(".name")?.textContent === name);
				fold.querySelector("summary").replaceChildren(...step.cloneNode(true).childNodes);
				continue;
			}
			// Of a log that was cut several steps may begin at the same notice: one of them stands for all.
			if (folds().some((fold) => firstOf(fold) === first && fold.querySelector(".name"))) continue;
			const before = foldOfLine(first);
			const fold = document.createElement("details");
			fold.className = "fold";
			fold.open = true;
			fold.dataset.first = first;
			const summary = document.createElement("summary");
			summary.append(...step.cloneNode(true).childNodes);
			const list = document.createElement("ol");
			list.className = "log";
			fold.append(summary, list);
			if (before) {
				list.append(...[...listOf(before).children].filter((line) => numberOf(line) >= first));
				before.dataset.end = first;
				before.after(fold);
				label(before);
				if (firstOf(before) >= first) before.remove();
			} else end.before(fold);
			label(fold);
		}
	}

	/** Lines of a live log as they come. */
	function follow(offset, number) {
		const source = new EventSource(`${root}/jobs/${job}/lines?${query}&offset=${offset}&number=${number}`);
		const template = document.createElement("template");
		source.onmessage = (event) => {
			template.innerHTML = event.data;
			const lines = [...template.content.children];
			if (lines.length === 0) return;
			partialLine()?.remove();
			total = Math.max(total, numberOf(lines.at(-1)) + 1);
			for (const line of lines) {
				const fold = foldOfLine(numberOf(line));
				const list = listOf(fold);
				// Only at the end of what is shown: a reader who is elsewhere in the log finds them later.
				if (shownTo(fold) === numberOf(line)) list.append(line);
				if (isFollowing) while (list.childElementCount > MOST) list.firstElementChild.remove();
			}
			label(foldOfLine(total - 1));
			if (isFollowing) window.scrollTo(0, document.body.scrollHeight);
		};
		source.addEventListener("partial", (event) => {
			template.innerHTML = event.data;
			const line = template.content.firstElementChild;
			const old = partialLine();
			if (old?.id === line.id) return old.replaceWith(line);
			old?.remove();
			const fold = foldOfLine(numberOf(line));
			if (shownTo(fold) !== numberOf(line)) return;
			listOf(fold).append(line);
			if (isFollowing) window.scrollTo(0, document.body.scrollHeight);
		});
		source.addEventListener("end", () => {
			source.close();
			end.textContent = "End of the log.";
			dispatchEvent(new Event("log-ended"));
		});
	}

	/** A live log is read from its end; what the page brought along is its beginning. */
	async function followFromEnd() {
		const shown = Number(log.dataset.shown);
		if (total - shown < MOST) return follow(Number(log.dataset.next), shown + 1);
		const fold = folds().at(-1);
		const { lines, next, nextOffset } = await fetchBlock(-BLOCK, BLOCK);
		listOf(fold).replaceChildren(...lines.filter((line) => numberOf(line) >= firstOf(fold)));
		label(fold);
		follow(nextOffset, next + 1);
	}

	/** Where a long log that has failed is of interest: the end of the step that failed. */
	function showFailure() {
		if (location.hash || Number(log.dataset.shown) >= total) return;
		const failed = folds().find((fold) => fold.querySelector("summary .state.failed, summary .state.timed_out"));
		if (failed) show(endOf(failed) - 1).catch(() => undefined);
	}

	function setUpSearch() {
		const found = log.querySelector(".found");
		const form = log.querySelector("search form");
		const look = async (text, from) => {
			const response = await fetch(`${root}/api/v1/jobs/${job}/log/search?${query}&q=${encodeURIComponent(text)}&from=${from}`);
			const answer = await response.json();
			if (!response.ok) throw new Error(answer.message);
			for (const { line, text: words } of answer.items) {
				const item = document.createElement("li");
				const link = document.createElement("a");
				link.href = `#L${line + 1}`;
				link.textContent = String(line + 1);
				item.append(link, " ", words);
				found.append(item);
			}
			if (answer.next_line !== null) {
				const item = document.createElement("li");
				const more = document.createElement("button");
				more.type = "button";
				more.textContent = answer.items.length > 0 ? "More" : `Nothing before line ${(answer.next_line + 1).toLocaleString("en")}; go on`;
				more.addEventListener("click", () => {
					item.remove();
					look(text, answer.next_line).catch(complain);
				});
				item.append(more);
				found.append(item);
			} else if (found.childElementCount === 0)
				found.append(Object.assign(document.createElement("li"), { textContent: "Not in this log." }));
		};
		const complain = (error) => {
			end.textContent = error.message;
		};
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			const text = form.q.value;
			found.replaceChildren();
			found.hidden = text === "";
			if (text !== "") look(text, 0).catch(complain);
		});
	}

	function setUpCopy() {
		const button = log.querySelector("button.copy");
		button.addEventListener("click", async () => {
			const response = await fetch(`${root}/api/v1/jobs/${job}/log?${query}`, { headers: { Range: `bytes=0-${COPIED_BYTES}` } });
			const [, size] = /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "") ?? [];
			if (Number(size) > COPIED_BYTES) {
				button.textContent = "Too long to copy: download it";
				return;
			}
			const clean = await fetch(`${root}/api/v1/jobs/${job}/log?${query}&format=clean`);
			await navigator.clipboard.writeText(await clean.text());
			button.textContent = "Copied";
		});
	}

	for (const fold of folds()) label(fold);
	addEventListener("hashchange", showHash);
	addEventListener("page-refreshed", addFolds);
	addEventListener("wheel", () => {
		isFollowing = log.dataset.live === "yes" && window.innerHeight + window.scrollY >= document.body.scrollHeight - 200;
	});
	setUpSearch();
	setUpCopy();
	showHash();
	if (log.dataset.live)
		followFromEnd().catch((error) => {
			end.textContent = error.message;
		});
	else showFailure();
}
