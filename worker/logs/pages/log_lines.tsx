import { render } from "preact-render-to-string";
import "../../ui/bidi.ts";
import { timeOf, withoutStamp } from "../../../schema/text/time_stamp.ts";
import { parseAnsi } from "../../ui/ansi.ts";
import { groupMark } from "./log_group.ts";

/** A line of a log: its number as a link, its time, and its text in colors. */
function LogLine({ line, number, isPartial = false }: { line: string; number: number; isPartial?: boolean }) {
	const stamp = timeOf(line);
	const text = withoutStamp(line);
	const group = isPartial ? null : groupMark(text);
	const kinds = [isPartial && "partial", group && (group.kind === "ends" ? "endgroup" : "group")].filter(Boolean).join(" ");
	return (
		<li id={`L${number}`} class={kinds || undefined}>
			<a href={`#L${number}`}>{number}</a>
			<time dateTime={stamp}>{stamp.slice(11, 19)}</time>
			<span>
				{parseAnsi(group ? group.label : text).map(({ text, classes }, index) =>
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
