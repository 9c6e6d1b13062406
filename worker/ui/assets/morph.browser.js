// Changes an element into another one and keeps what is the same: focus, selection, scroll
// positions and open folds stay.

/**
 * @param {Element} old
 * @param {Element} fresh
 */
export function morph(old, fresh) {
	copyAttributes(old, fresh);
	/** @type {Map<string, Element>} */
	const known = new Map();
	for (const child of old.children) if (child.id) known.set(child.id, child);
	let at = old.firstChild;
	for (const next of [...fresh.childNodes]) {
		const match = matchOf(next, at, known);
		if (!match) {
			old.insertBefore(next, at);
			continue;
		}
		if (match === at) at = at.nextSibling;
		else old.insertBefore(match, at);
		if (next instanceof HTMLTemplateElement) continue;
		if (next instanceof Element && match instanceof Element) morph(match, next);
		else if (match.nodeValue !== next.nodeValue) match.nodeValue = next.nodeValue;
	}
	while (at) {
		const gone = at;
		at = at.nextSibling;
		gone.remove();
	}
}

/**
 * The node that becomes `next`: one with its id, or else the one at its place if that is alike.
 * @param {ChildNode} next
 * @param {ChildNode | null} at
 * @param {Map<string, Element>} known
 */
function matchOf(next, at, known) {
	if (next instanceof HTMLTemplateElement) return known.get(next.dataset.part ?? "") ?? null;
	if (next instanceof Element && next.id) return known.get(next.id) ?? null;
	return at && at.nodeName === next.nodeName && !(at instanceof Element && at.id) ? at : null;
}

/** What the reader has changed stays. */
const OF_THE_READER = ["open", "aria-pressed"];

/**
 * @param {Element} old
 * @param {Element} fresh
 */
function copyAttributes(old, fresh) {
	for (const { name, value } of fresh.attributes)
		if (old.getAttribute(name) !== value && !OF_THE_READER.includes(name)) old.setAttribute(name, value);
	for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !OF_THE_READER.includes(name)) old.removeAttribute(name);
}
