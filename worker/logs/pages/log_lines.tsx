import { render } from "preact-render-to-string";
import "../../ui/bidi.ts";
import { STAMP_BYTES } from "../../../schema/text/log_formatter.ts";
import { parseAnsi } from "../../ui/ansi.ts";

/** A line of a log: its number as a link, its time, and its text in colors. */
function LogLine({ line, number, isPartial = false }: { line: string; number: number; isPartial?: boolean }) {
	const stamp = line.slice(0, STAMP_BYTES - 1);
	return (
		<li id={`L${number}`} class={isPartial ? "partial" : undefined}>
			<a href={`#L${number}`}>{number}</a>
			<time dateTime={stamp}>{stamp.slice(11, 19)}</time>
			<span>
				{parseAnsi(line.slice(STAMP_BYTES)).map(({ text, classes }, index) =>
					classes.length === 0 ? (
						text
					) : (
						<span key={index} class={classes.join(" ")}>
							{text}
						</span>
					),
				)}
			</span>
		</li>
	);
}

export function LogLines({ lines, firstNumber }: { lines: readonly string[]; firstNumber: number }) {
	return (
		<>
			{lines.map((line, index) => (
				<LogLine key={firstNumber + index} line={line} number={firstNumber + index} />
			))}
		</>
	);
}

/** Lines as escaped markup, for a page that adds them to its list. */
export function renderLines(lines: readonly string[], firstNumber: number): string {
	return render(<LogLines lines={lines} firstNumber={firstNumber} />);
}

/** An incomplete line; the page replaces it with the next update. */
export function renderPartialLine(line: string, number: number): string {
	return render(<LogLine line={line} number={number} isPartial />);
}
