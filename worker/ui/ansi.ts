import { ansiParts } from "../../schema/text/ansi.ts";

/** Text in one style; its classes are in the style sheet. */
export interface StyledText {
	text: string;
	classes: string[];
}

interface Style {
	foreground: number | null;
	background: number | null;
	isBold: boolean;
	isDim: boolean;
	isItalic: boolean;
	isUnderlined: boolean;
	isStruck: boolean;
	isInverse: boolean;
}

const PLAIN: Style = {
	foreground: null,
	background: null,
	isBold: false,
	isDim: false,
	isItalic: false,
	isUnderlined: false,
	isStruck: false,
	isInverse: false,
};

/** The sixteen colors of the style sheet, as red, green and blue. */
const PALETTE = [
	[0, 0, 0],
	[205, 49, 49],
	[13, 188, 121],
	[229, 229, 16],
	[36, 114, 200],
	[188, 63, 188],
	[17, 168, 205],
	[229, 229, 229],
	[102, 102, 102],
	[241, 76, 76],
	[35, 209, 139],
	[245, 245, 67],
	[59, 142, 234],
	[214, 112, 214],
	[41, 184, 219],
	[255, 255, 255],
] as const;

/**
 * Converts a line of a log to styled text. SGR sequences (ECMA-48, 8.3.117) become classes; other
 * sequences are dropped.
 * Text after a carriage return or an erase replaces the earlier text, as on GitLab's pages.
 */
export function parseAnsi(line: string): StyledText[] {
	const shown = new ShownLine();
	let style = PLAIN;
	for (const part of ansiParts(line)) {
		if (part.type === "text") {
			for (const [index, text] of part.text.split("\r").entries()) {
				if (index > 0) shown.return();
				if (text !== "") shown.add(visible(text), classesOf(style));
			}
		} else if (part.type === "control") {
			const { parameters, final } = part;
			if (final === "m") style = applySgr(style, parameters);
			else if (final === "K") shown.erase(parameters);
			else if (final === "G" && (parameters === "" || parameters === "1")) shown.return();
		}
	}
	return shown.parts;
}

/** The text that a line currently shows. */
class ShownLine {
	parts: StyledText[] = [];
	#isAtStart = true;

	/** Moves to the start of the line. */
	return(): void {
		this.#isAtStart = true;
	}

	/**
	 * `0` erases to the end of the line; `1` and `2` erase the text before, or all of it (ECMA-48,
	 * 8.3.41).
	 */
	erase(parameter: string): void {
		if (this.#isAtStart || parameter === "1" || parameter === "2") this.parts = [];
	}

	add(text: string, classes: string[]): void {
		if (this.#isAtStart) this.parts = [];
		this.#isAtStart = false;
		const last = this.parts.at(-1);
		if (last && last.classes.join(" ") === classes.join(" ")) last.text += text;
		else this.parts.push({ text, classes });
	}
}

/** Control characters are invisible or harmful; pages show Unicode's pictures of them. */
function visible(text: string): string {
	return text.replace(/[^\P{Cc}\t]/gu, (char) => {
		const code = char.charCodeAt(0);
		return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
	});
}

function classesOf(style: Style): string[] {
	const { foreground, background, isInverse } = style;
	const classes: string[] = [];
	if (isInverse) classes.push(background === null ? "fginverse" : `fg${background}`, foreground === null ? "bginverse" : `bg${foreground}`);
	else {
		if (foreground !== null) classes.push(`fg${foreground}`);
		if (background !== null) classes.push(`bg${background}`);
	}
	if (style.isBold) classes.push("bold");
	if (style.isDim) classes.push("dim");
	if (style.isItalic) classes.push("italic");
	if (style.isUnderlined) classes.push("underline");
	if (style.isStruck) classes.push("struck");
	return classes;
}

/**
 * Applies SGR parameters, separated by `;`. Values of a parameter follow it after `:` (ITU-T
 * T.416), or as the next parameters.
 */
function applySgr(style: Style, parameters: string): Style {
	if (!/^[0-9;:]*$/.test(parameters)) return style;
	const groups = parameters.split(";").map((group) => group.split(":").map(Number));
	let result = style;
	for (let index = 0; index < groups.length; index += 1) {
		const [code = 0, ...own] = groups[index] as number[];
		if (code === 38 || code === 48 || code === 58) {
			const following = groups.slice(index + 1, index + 5).map(([first = 0]) => first);
			const { color, used } = own.length > 0 ? { color: ownColor(own), used: 0 } : followingColor(following);
			if (code === 38) result = { ...result, foreground: color };
			if (code === 48) result = { ...result, background: color };
			index += used;
		} else result = applyCode(result, code === 4 && own[0] === 0 ? 24 : code);
	}
	return result;
}

function applyCode(style: Style, code: number): Style {
	if (code === 0) return PLAIN;
	if (code === 1) return { ...style, isBold: true };
	if (code === 2) return { ...style, isDim: true };
	if (code === 3) return { ...style, isItalic: true };
	if (code === 4 || code === 21) return { ...style, isUnderlined: true };
	if (code === 7) return { ...style, isInverse: true };
	if (code === 9) return { ...style, isStruck: true };
	if (code === 22) return { ...style, isBold: false, isDim: false };
	if (code === 23) return { ...style, isItalic: false };
	if (code === 24) return { ...style, isUnderlined: false };
	if (code === 27) return { ...style, isInverse: false };
	if (code === 29) return { ...style, isStruck: false };
	if (code >= 30 && code <= 37) return { ...style, foreground: code - 30 };
	if (code === 39) return { ...style, foreground: null };
	if (code >= 40 && code <= 47) return { ...style, background: code - 40 };
	if (code === 49) return { ...style, background: null };
	if (code >= 90 && code <= 97) return { ...style, foreground: code - 82 };
	if (code >= 100 && code <= 107) return { ...style, background: code - 92 };
	return style;
}

/**
 * Parses `5;n` of 256 colors, or `2;r;g;b`, to the nearest of the sixteen.
 * @returns the color, and how many parameters were used
 */
function followingColor([mode, first = 0, second = 0, third = 0]: number[]): { color: number | null; used: number } {
	if (mode === 5) return { color: color256(first), used: 2 };
	if (mode === 2) return { color: nearestColor(first, second, third), used: 4 };
	return { color: null, used: 1 };
}

/** The same for `5:n`, `2:r:g:b`, or `2:space:r:g:b` with a color space. */
function ownColor([mode, ...rest]: number[]): number | null {
	if (mode === 5) return color256(rest[0] ?? 0);
	if (mode !== 2) return null;
	const [red = 0, green = 0, blue = 0] = rest.length > 3 ? rest.slice(1) : rest;
	return nearestColor(red, green, blue);
}

function color256(index: number): number {
	if (index < 16) return index;
	if (index >= 232) {
		const grey = 8 + (index - 232) * 10;
		return nearestColor(grey, grey, grey);
	}
	const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
	const cube = index - 16;
	return nearestColor(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function nearestColor(red: number, green: number, blue: number): number {
	const distances = PALETTE.map(([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2);
	return distances.indexOf(Math.min(...distances));
}
