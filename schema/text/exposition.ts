/**
 * Metrics as Prometheus reads them: the text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;

/** A histogram: how many values were in each bucket, and their sum. The last count is of those above all bounds. */
export interface Histogram {
	counts: number[];
	sum: number;
}

/** A metric with its values, one for each set of labels. */
export type Metric = { name: string; help: string } & (
	| { type: "counter" | "gauge"; values: readonly (readonly [Labels, number])[] }
	| { type: "histogram"; bounds: readonly number[]; values: readonly (readonly [Labels, Histogram])[] }
);

/** Metrics as text. Those without a value are left out. */
export function exposition(metrics: readonly Metric[]): string {
	return metrics
		.filter(({ values }) => values.length > 0)
		.map((metric) => `# HELP ${metric.name} ${metric.help}\n# TYPE ${metric.name} ${metric.type}\n${linesOf(metric)}`)
		.join("");
}

function linesOf(metric: Metric): string {
	const { name } = metric;
	if (metric.type !== "histogram") return metric.values.map(([labels, value]) => line(name, labels, value)).join("");
	const { bounds, values } = metric;
	return values
		.map(([labels, { counts, sum }]) => {
			let total = 0;
			const buckets = counts.map((count, index) => {
				total += count;
				return line(`${name}_bucket`, { ...labels, le: index < bounds.length ? String(bounds[index]) : "+Inf" }, total);
			});
			return buckets.join("") + line(`${name}_sum`, labels, sum) + line(`${name}_count`, labels, total);
		})
		.join("");
}

function line(name: string, labels: Labels, value: number): string {
	const pairs = Object.entries(labels).map(
		([label, text]) => `${label}="${text.replace(/[\\"\n]/g, (one) => (one === "\n" ? "\\n" : `\\${one}`))}"`,
	);
	return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
}

/** Adds a value to a histogram. */
export function observe(histogram: Histogram, bounds: readonly number[], value: number): void {
	const index = bounds.findIndex((bound) => value <= bound);
	const at = index === -1 ? bounds.length : index;
	histogram.counts[at] = (histogram.counts[at] ?? 0) + 1;
	histogram.sum += value;
}

export function emptyHistogram(bounds: readonly number[]): Histogram {
	return { counts: Array(bounds.length + 1).fill(0), sum: 0 };
}
