/** A stretch of text in one style; the classes are those of the style sheet. */
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
}

const PLAIN: Style = { foreground: null, background: null, isBold: false, isDim: false, isItalic: false, isUnderlined: false };

/** The sixteen colours that the style sheet knows, as red, green and blue. */
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

const ESCAPE = "\u001b";
const BELL = "\u0007";
/** Text, and after it an SGR sequence (its parameters are the second group), any other sequence, or the end. */
const TEXT_AND_SEQUENCE = new RegExp(
	`([^${ESCAPE}]*)(?:${ESCAPE}\\[([0-9;:]*)m|${ESCAPE}\\[[0-?]*[ -/]*[@-~]|${ESCAPE}\\][^${BELL}${ESCAPE}]*(?:${BELL}|${ESCAPE}\\\\)?|${ESCAPE}.?|$)`,
	"g",
);

/**
 * A line of a log as styled text: SGR sequences (ECMA-48, 8.3.117) become classes, every other escape sequence is dropped, and
 * of a line that was overwritten with carriage returns the last version is kept.
 */
export function parseAnsi(line: string): StyledText[] {
	const shown = lastVersion(line);
	const parts: StyledText[] = [];
	let style = PLAIN;
	for (const [, text, sgr] of shown.matchAll(TEXT_AND_SEQUENCE)) {
		if (text) parts.push({ text: visible(text), classes: classesOf(style) });
		if (sgr !== undefined) style = applySgr(style, sgr);
	}
	return parts;
}

function lastVersion(line: string): string {
	let end = line.length;
	while (end > 0 && line[end - 1] === "\r") end -= 1;
	return line.slice(end === 0 ? 0 : line.lastIndexOf("\r", end - 1) + 1, end);
}

/** Control characters would be invisible, or worse: they are shown as pictures of themselves. */
function visible(text: string): string {
	return text.replace(/[^\P{Cc}\t]/gu, (char) => {
		const code = char.charCodeAt(0);
		return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
	});
}

function classesOf(style: Style): string[] {
	const classes: string[] = [];
	if (style.foreground !== null) classes.push(`fg${style.foreground}`);
	if (style.background !== null) classes.push(`bg${style.background}`);
	if (style.isBold) classes.push("bold");
	if (style.isDim) classes.push("dim");
	if (style.isItalic) classes.push("italic");
	if (style.isUnderlined) classes.push("underline");
	return classes;
}

function applySgr(style: Style, parameters: string): Style {
	const codes = parameters.split(/[;:]/).map(Number);
	let result = style;
	for (let index = 0; index < codes.length; index += 1) {
		const code = codes[index] as number;
		if (code === 38 || code === 48) {
			const { color, taken } = extendedColor(codes.slice(index + 1, index + 5));
			result = code === 38 ? { ...result, foreground: color } : { ...result, background: color };
			index += taken;
		} else result = applyCode(result, code);
	}
	return result;
}

function applyCode(style: Style, code: number): Style {
	if (code === 0) return PLAIN;
	if (code === 1) return { ...style, isBold: true };
	if (code === 2) return { ...style, isDim: true };
	if (code === 3) return { ...style, isItalic: true };
	if (code === 4) return { ...style, isUnderlined: true };
	if (code === 22) return { ...style, isBold: false, isDim: false };
	if (code === 23) return { ...style, isItalic: false };
	if (code === 24) return { ...style, isUnderlined: false };
	if (code >= 30 && code <= 37) return { ...style, foreground: code - 30 };
	if (code === 39) return { ...style, foreground: null };
	if (code >= 40 && code <= 47) return { ...style, background: code - 40 };
	if (code === 49) return { ...style, background: null };
	if (code >= 90 && code <= 97) return { ...style, foreground: code - 82 };
	if (code >= 100 && code <= 107) return { ...style, background: code - 92 };
	return style;
}

/** `5;n` of the 256 colours, or `2;r;g;b`, as the nearest of the sixteen. */
function extendedColor([mode, ...rest]: number[]): { color: number | null; taken: number } {
	if (mode === 5) return { color: color256(rest[0] ?? 0), taken: 2 };
	if (mode === 2) return { color: nearestColor(rest[0] ?? 0, rest[1] ?? 0, rest[2] ?? 0), taken: 4 };
	return { color: null, taken: 1 };
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
