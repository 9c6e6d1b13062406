import { shownState } from "../../schema/wire/state_words.ts";

const BAR = 8;
const HEIGHT = 22;
const LEAST = 5;

/** A result, and how long it took in milliseconds. */
export interface Bar {
	state: string;
	ms: number | null;
}

/** Results as bars, oldest first: the color is the state, the height the duration. */
export function Bars({ bars }: { bars: readonly Bar[] }) {
	if (bars.length === 0) return <span class="grow" />;
	const longest = Math.max(1, ...bars.map(({ ms }) => ms ?? 0));
	const count = (state: string) => bars.filter((one) => one.state === state).length;
	const label = [...new Set(bars.map(({ state }) => state))].map((state) => `${count(state)} ${shownState(state).word}`).join(", ");
	return (
		<svg
			class="bars"
			viewBox={`0 0 ${bars.length * BAR} ${HEIGHT}`}
			preserveAspectRatio="xMinYMid"
			role="img"
			aria-label={`The newest results: ${label}`}
		>
			{bars.map(({ state, ms }, index) => {
				const height = LEAST + ((HEIGHT - LEAST) * (ms ?? longest / 2)) / longest;
				return (
					<rect
						key={index}
						class={shownState(state).tone}
						x={index * BAR}
						y={HEIGHT - Math.round(height)}
						width={BAR - 2}
						height={Math.round(height)}
						rx="1"
					/>
				);
			})}
		</svg>
	);
}
