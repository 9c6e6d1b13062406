import { describe, expect, test } from "vitest";
import { exposition } from "../../schema/text/exposition.ts";
import { openCore } from "../../worker/queue/core/core.ts";
import { storeCounts } from "../../worker/queue/core/counts.ts";
import { readGauges } from "../../worker/queue/core/gauges.ts";
import { cancelRun } from "../../worker/queue/core/runs/cancel.ts";
import { Queue } from "../support/queue.ts";

/** What the queue counts for metrics. */

describe("the counts of a queue", () => {
	test("name at most 200 projects, so that made-up ones fill no database of metrics", () => {
		const queue = new Queue();
		for (let n = 0; n < 205; n += 1) cancelRun(queue.core, queue.submit("steps: [a]", `made-up-${n}`), "somebody");
		const { runsEnded } = queue.core.counts;
		expect([Object.keys(runsEnded).length, runsEnded["other cancelled"]]).toEqual([201, 5]);
	});

	test("are stored now and then, and read again", () => {
		const queue = new Queue();
		cancelRun(queue.core, queue.submit("steps: [a]"), "somebody");
		const open = () => openCore({ ...queue.core }).counts.runsEnded;
		storeCounts(queue.core);
		expect(open()).toEqual({});
		queue.now += 30_000;
		storeCounts(queue.core);
		expect(open()).toEqual(queue.core.counts.runsEnded);
		expect(Object.values(open())).toEqual([1]);
	});

	test("tell for which labels jobs wait, for how long, and how many agents have them", () => {
		const queue = new Queue();
		queue.submit("runs_on: [gpu]\nsteps: [a]");
		queue.now += 5_000;
		queue.submit("runs_on: [gpu]\nsteps: [a]");
		queue.submit("steps: [a]");
		const find = (labels: string) => readGauges(queue.core).queued.find((one) => one.labels === labels);
		expect([find("gpu"), find("any")]).toEqual([
			{ labels: "gpu", jobs: 2, oldestMs: 5_000, agents: 0 },
			{ labels: "any", jobs: 1, oldestMs: 0, agents: 0 },
		]);
	});
});

describe("the text of metrics", () => {
	test("escapes what a label may hold, and counts up in a histogram", () => {
		const text = exposition([
			{ name: "a", help: "A.", type: "gauge", values: [[{ label: 'a "b" \\ \n' }, 1.5]] },
			{ name: "h", help: "H.", type: "histogram", bounds: [1, 2], values: [[{}, { counts: [1, 0, 2], sum: 9 }]] },
			{ name: "none", help: "Left out.", type: "counter", values: [] },
		]);
		expect(text).toBe(
			[
				"# HELP a A.\n# TYPE a gauge",
				'a{label="a \\"b\\" \\\\ \\n"} 1.5',
				"# HELP h H.\n# TYPE h histogram",
				'h_bucket{le="1"} 1\nh_bucket{le="2"} 1\nh_bucket{le="+Inf"} 3\nh_sum 9\nh_count 3\n',
			].join("\n"),
		);
	});
});
