/** Charts as inline SVG. Screen readers, and readers who want numbers, get the same values as a table. */

const HEIGHT = 90;
const STEP = 10;

interface ChartProps {
	title: string;
	/** The value of the whole time, in words. */
	total: string;
	/** The points in time, oldest first. */
	labels: readonly string[];
	/** Bars, one above the other, by class; or lines. Null: no value. */
	series: readonly { name: string; kind: string; values: readonly (number | null)[] }[];
	isLine?: boolean;
	/** A value in words. */
	format: (value: number) => string;
}

export function Chart({ title, total, labels, series, isLine = false, format }: ChartProps) {
	const sums = labels.map((_, index) =>
		isLine
			? Math.max(0, ...series.map(({ values }) => values[index] ?? 0))
			: series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
	);
	const most = Math.max(1, ...sums);
	return (
		<figure class="card chart">
			<figcaption class="row">
				<b class="grow">{title}</b>
				<span class="soft">{total}</span>
			</figcaption>
			<svg viewBox={`0 0 ${labels.length * STEP} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
				<line class="grid" x1="0" x2={labels.length * STEP} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
				{isLine ? <Lines series={series} most={most} /> : <Columns labels={labels} series={series} most={most} format={format} />}
			</svg>
			<div class="row soft small">
				<span class="grow">{labels[0]}</span>
				<span>{`up to ${format(most)}`}</span>
			</div>
			<details class="soft small">
				<summary>As a table</summary>
				<div class="scroll">
					<table>
						<thead>
							<tr>
								<th scope="col">Day</th>
								{series.map(({ name }) => (
									<th key={name} scope="col" class="n">
										{name}
									</th>
								))}
							</tr>
						</thead>
						<tbody>
							{labels.map((label, index) => (
								<tr key={label}>
									<td>{label}</td>
									{series.map(({ name, values }) => (
										<td key={name} class="n">
											{values[index] == null ? "–" : format(values[index])}
										</td>
									))}
								</tr>
							))}
						</tbody>
					</table>
				</div>
			</details>
		</figure>
	);
}

function Columns({ labels, series, most, format }: Pick<ChartProps, "labels" | "series" | "format"> & { most: number }) {
	return (
		<>
			{labels.map((label, index) => {
				let below = 0;
				return series.map(({ name, kind, values }) => {
					const value = values[index] ?? 0;
					if (value === 0) return null;
					const height = (HEIGHT * value) / most;
					below += height;
					return (
						<rect key={name} class={kind} x={index * STEP + 1} y={rounded(HEIGHT - below)} width={STEP - 2} height={rounded(height)}>
							<title>{`${label}: ${format(value)} ${name}`}</title>
						</rect>
					);
				});
			})}
		</>
	);
}

function Lines({ series, most }: Pick<ChartProps, "series"> & { most: number }) {
	return (
		<>
			{series.map(({ name, kind, values }) => {
				const points = values.flatMap((value, index) =>
					value === null ? [] : [`${index * STEP + STEP / 2} ${rounded(HEIGHT - ((HEIGHT - 4) * value) / most)}`],
				);
				if (points.length === 0) return null;
				// A single point is a short line.
				const path = points.length === 1 ? [points[0], "h 4"] : points;
				return <path key={name} class={kind} d={`M${path.join(" L").replace(" Lh", " h")}`} />;
			})}
		</>
	);
}

function rounded(value: number): number {
	return Math.round(value * 10) / 10;
}
