import { type ComponentChildren, h, type VNode } from "preact";
import { render } from "preact-render-to-string";
import { type TimeMark, timeText } from "./times.ts";

/**
 * Parts of a page that are updated on their own. Each is an element with an id, and is rendered
 * apart: where it stands in its surroundings, these have a mark. So a change of a part changes the
 * text of this part and of no other. Times are marks, too, because the text of a part must stay the
 * same while nothing but the clock moves on.
 */

/** Unguessable, so that no text of a user is taken for a mark. */
let boundary: string | null = null;

function mark(kind: "part" | "time", value: string): string {
	// Random values may not be made while a Worker is loaded.
	boundary ??= crypto.randomUUID();
	return `\u0001${boundary} ${kind} ${value}\u0002`;
}

function marks(): RegExp {
	return new RegExp(`\u0001${boundary} (part|time) ([^\u0002]*)\u0002`, "g");
}

/** The parts of the page that is rendered now, which happens without an `await`. */
let rendering: { parts: Map<string, string>; ownScript: Set<string>; mayPost: (path: string) => boolean; team: string | null } | null =
	null;

/** Whether the reader of the page that is rendered now may post a form to a path. */
export function mayReaderPost(path: string): boolean {
	return rendering?.mayPost(path) ?? true;
}

/** The address of a form of the page that is rendered now: it names the team that the reader sees, where that may change. */
export function formAddress(path: string): string {
	const { team = null } = rendering ?? {};
	return team === null ? path : `${path}${path.includes("?") ? "&" : "?"}${ACTING}=${team}`;
}

/** The parameter in which a page names the team that it was made for. */
export const ACTING = "acting";

interface PartProps {
	id: string;
	as?: string;
	/** Whether a script of its own brings it up to date: it is sent once. */
	hasOwnScript?: boolean;
	children: ComponentChildren;
	[attribute: string]: unknown;
}

/** A part of the page, as an element with this id. Parts may contain others. */
export function Part({ id, as = "div", hasOwnScript = false, children, ...attributes }: PartProps): ComponentChildren {
	const element = h(as, { id, ...attributes }, children);
	if (rendering === null) return element;
	const { parts, ownScript } = rendering;
	// The place comes before the parts in it.
	parts.set(id, "");
	parts.set(id, render(element));
	if (hasOwnScript) ownScript.add(id);
	return mark("part", id);
}

/** The mark of a text that depends on the time at which somebody reads it. */
export function timeMark(time: TimeMark): string {
	return mark("time", JSON.stringify(time).replaceAll('"', "'"));
}

/** A rendered page. */
export interface RenderedPage {
	/** The text around the parts. */
	frame: string;
	/** The text of each part, outer ones first. */
	parts: ReadonlyMap<string, string>;
	/** The parts that are sent once. */
	ownScript: ReadonlySet<string>;
}

/**
 * Renders a page and its parts.
 * @param mayPost whether its reader may post a form to a path
 * @param team the team that its forms name, for an operator; null: they name none
 */
export function renderParts(page: VNode, mayPost: (path: string) => boolean, team: string | null): RenderedPage {
	const before = rendering;
	const found = { parts: new Map<string, string>(), ownScript: new Set<string>() };
	rendering = { ...found, mayPost, team };
	try {
		return { frame: render(page), ...found };
	} finally {
		rendering = before;
	}
}

/** The whole page as text, with the times of now. */
export function wholePage({ frame, parts: found }: RenderedPage, now: number): string {
	const filled = (text: string): string =>
		text.replace(marks(), (_, kind: string, value: string) =>
			kind === "part" ? filled(found.get(value) ?? "") : timeText(readTime(value), now),
		);
	return filled(frame);
}

/** The text of a part for an update: inner parts are empty templates, and the reader fills in times. */
export function partText(text: string): string {
	return text.replace(marks(), (_, kind: string, value: string) => (kind === "part" ? `<template data-part="${value}"></template>` : ""));
}

function readTime(value: string): TimeMark {
	return JSON.parse(value.replaceAll("'", '"')) as TimeMark;
}
