import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Step } from "../../../schema/wire/resources.ts";
import type { Usage } from "../../../schema/wire/usage.ts";
import { Chart } from "../../ui/chart.tsx";
import { size } from "../../ui/words.tsx";

/** What an attempt used: CPU, memory and disk over time, and by step. */
export function ResourcesView({ usage, steps }: { usage: Usage; steps: readonly Step[] }) {
	const { interval_ms, cpu, memory, read, written, peak_memory } = usage;
	const labels = cpu.map((_, index) => formatDuration((index + 1) * interval_ms));
	const perSecond = (bytes: readonly number[]) => bytes.map((one) => (one * 1_000) / interval_ms);
	const most = Math.max(0, ...cpu);
	return (
		<>
			<div class="charts">
				<Chart
					title="CPU"
					total={`at most ${cores(most)}`}
					labels={labels}
					series={[{ name: "CPU", kind: "line", values: cpu }]}
					isLine
					format={cores}
				/>
				<Chart
					title="Memory"
					total={`peak ${size(peak_memory)}`}
					labels={labels}
					series={[{ name: "memory", kind: "line", values: memory }]}
					isLine
					format={size}
				/>
				<Chart
					title="Disk"
					total={`${size(sum(read))} read, ${size(sum(written))} written`}
					labels={labels}
					series={[
						{ name: "read", kind: "line", values: perSecond(read) },
						{ name: "written", kind: "line upper", values: perSecond(written) },
					]}
					isLine
					format={(bytes) => `${size(Math.round(bytes))}/s`}
				/>
			</div>
			<h2>By step</h2>
			<div class="scroll">
				<table>
					<thead>
						<tr>
							<th scope="col">Step</th>
							<th scope="col" class="n">
								CPU, mean
							</th>
							<th scope="col" class="n">
								Memory, peak
							</th>
							<th scope="col" class="n">
								Read
							</th>
							<th scope="col" class="n">
								Written
							</th>
						</tr>
					</thead>
					<tbody>
						{steps.map((step, index) => (
							<StepRow key={index} step={step} usage={usage} />
						))}
					</tbody>
				</table>
			</div>
		</>
	);
}

function StepRow({ step, usage }: { step: Step; usage: Usage }) {
	const inStep = samplesOf(step, usage);
	const of = (values: readonly number[]) => inStep.map((index) => values[index] ?? 0);
	if (inStep.length === 0) {
		return (
			<tr>
				<td>
					<code>{step.name}</code>
				</td>
				<td colSpan={4} class="soft right">
					{step.started_at === null ? "did not run" : "too short to be measured"}
				</td>
			</tr>
		);
	}
	return (
		<tr>
			<td>
				<code>{step.name}</code>
			</td>
			<td class="n">{cores(sum(of(usage.cpu)) / inStep.length)}</td>
			<td class="n">{size(Math.max(...of(usage.memory)))}</td>
			<td class="n">{size(sum(of(usage.read)))}</td>
			<td class="n">{size(sum(of(usage.written)))}</td>
		</tr>
	);
}

/** The samples whose middle is in the step. */
function samplesOf({ started_at, finished_at }: Step, { began_at, interval_ms, cpu }: Usage): number[] {
	if (started_at === null) return [];
	const [from, to] = [Date.parse(started_at), finished_at === null ? Number.POSITIVE_INFINITY : Date.parse(finished_at)];
	return cpu.flatMap((_, index) => {
		const middle = began_at + (index + 0.5) * interval_ms;
		return middle >= from && middle < to ? index : [];
	});
}

function sum(values: readonly number[]): number {
	return values.reduce((all, one) => all + one, 0);
}

/** Thousandths of a core in words. */
function cores(thousandths: number): string {
	return `${(thousandths / 1_000).toFixed(thousandths < 9_950 ? 1 : 0)} cores`;
}
