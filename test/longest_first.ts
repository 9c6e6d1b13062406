import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Test files that take long, the longest of each project first: one that began last would be waited for by all the others' cores. */
const LONG = [
	"faults",
	"program",
	"chaos",
	"containers",
	"demo_content",
	"backup",
	"wrangler",
	"hooks",
	"operations",
	"commands",
	"metrics",
	"logs",
	"artifacts",
	"credentials",
	"confinement",
	"agent_management",
	"automation",
	"big_log",
	"missed_pushes",
	"agent",
	"secrets",
	"statuses",
	"unit/graph_property",
	"unit/hostile_pipelines",
	"unit/markdown",
	"unit/sources",
	"unit/patterns",
	"unit/queue",
	"unit/confined_files",
	"unit/reports",
];

/** Files of the project `worker` share a Worker; this one knows it before its first request. */
const FIRST = "readiness";

/** Files in an order in which no core waits for long at the end. */
export class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const rank = ({ moduleId }: TestSpecification) => {
			if (moduleId.endsWith(`/${FIRST}.test.ts`)) return -1;
			const at = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
			return at === -1 ? LONG.length : at;
		};
		return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
	}
}
