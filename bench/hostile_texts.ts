/** Pipelines of the greatest allowed size, and pipelines that take long to reject. */

const MIB = 1024 * 1024;
const SUBMISSION_BYTES = 10 * MIB;

const STEPS = "steps: [x]\n";

function many(count: number, textOf: (index: number) => string, between = "\n"): string {
	return Array.from({ length: count }, (_, index) => textOf(index)).join(between);
}

function comments(bytes: number): string {
	const line = `# ${"x".repeat(97)}\n`;
	return line.repeat(Math.floor(bytes / line.length));
}

function pipelineOfJobs(jobs: number, jobOf: (index: number) => string): string {
	return `jobs:\n${many(jobs, (index) => `  j${index}: ${jobOf(index)}`)}\n`;
}

/** The largest of their kind that are accepted. */
export function acceptedTexts(): Record<string, string> {
	const commented = comments(SUBMISSION_BYTES - 1024) + STEPS;
	return {
		"10 MiB of comments": commented,
		"10 MiB in JSON": JSON.stringify({ pipeline: comments(SUBMISSION_BYTES * 0.98) + STEPS }),
		"one comment of 10 MiB": `# ${"x".repeat(SUBMISSION_BYTES - 100)}\n${STEPS}`,
		"100,000 comments": `${"# a comment\n".repeat(100_000)}${STEPS}`,
		"5,000 variables": `${STEPS}env:\n${many(5_000, (index) => `  K${index}: v`)}\n`,
		"300 jobs of 10 steps": pipelineOfJobs(300, () => `{ steps: [${"a, ".repeat(10)}] }`),
		"400 steps of 2 jobs": pipelineOfJobs(2, () => `{ steps: [${many(200, () => "{ name: a, run: b, env: { A: b, C: d } }", ", ")}] }`),
		"2,900 expressions": `${STEPS}env:\n${many(2_900, (index) => `  K${index}: "\${{ run.branch + string(${index}) }}"`)}\n`,
		"jobs that need one another": pipelineOfJobs(
			200,
			(index) => `{ needs: [${many(Math.min(index, 50), (back) => `j${index - back - 1}`, ", ")}], steps: [x] }`,
		),
		CRLF: `${"# a comment\r\n".repeat(50_000)}steps: [x]\r\n`,
	};
}

/** Rejected texts that make the parser work hard. */
export function rejectedTexts(): Record<string, string> {
	return {
		"30,000 variables": `${STEPS}env:\n${many(30_000, (index) => `  k${index}: v`)}\n`,
		"70,000 variables": `${STEPS}env:\n${many(70_000, (index) => `  k${index}: v`)}\n`,
		"100 patterns of 35 KB": `${STEPS}on: { push: { paths: [${many(100, () => `"${"a*".repeat(17_500)}"`, ", ")}] } }\n`,
		"99 aliases of one map": `env: &e {${many(5_000, (index) => `K${index}: v`, ", ")}}\njobs:\n${many(99, (index) => `  j${index}: { env: *e, steps: [x] }`)}\n`,
		"deep brackets": "[".repeat(200_000),
		"deep maps": many(4_000, (index) => `${" ".repeat(index)}a:`),
		"a long list in brackets": `steps: [${"a,".repeat(200_000)}]`,
		"24,000 unknown keys": `${STEPS}${many(24_000, (index) => `unknown_key_${index}: v`)}\n`,
		"24,000 equal keys": `${STEPS}${many(24_000, () => "key: v")}\n`,
		"wrong names of 24,000 variables": many(
			20,
			(job) => `${job === 0 ? "jobs:\n" : ""}  j${job}: { steps: [x], env: {${many(1_100, (index) => `"${index}-x": v`, ", ")}} }`,
		),
		"1,000 anchors": `${STEPS}x: [${many(1_000, (index) => `&a${index} b`, ", ")}]\n`,
		"a block of 10 MiB": `steps:\n- |\n${"  a line of a script\n".repeat(480_000)}`,
		"a word of 10 MiB": `steps: [${"x".repeat(10_000_000)}]\n`,
		"words of 10 MiB in one line": `steps:\n- ${"abc ".repeat(2_500_000)}\n`,
		"quotes of 10 MiB": `steps:\n- '${"''".repeat(5_000_000)}'\n`,
		"escapes of 10 MiB": `steps:\n- "${"\\x41".repeat(2_500_000)}"\n`,
		"a key of 1 MiB": `${STEPS}? ${"k".repeat(MIB)}\n: v\n`,
		"a quoted key of 1 MiB": `{"steps":["x"],"${"k".repeat(MIB)}":1}`,
		"keys with a question mark": `${STEPS}${many(20_000, (index) => `? k${index}\n: v`)}\n`,
		"5,000,000 line ends": "\n".repeat(5_000_000),
		"1,000,000 empty comments": `${"#\n".repeat(1_000_000)}${STEPS}`,
		"50,000 documents": "--- a\n".repeat(50_000),
		"closing brackets": "}".repeat(1_000_000),
		"anchors without a node": "& ".repeat(500_000),
		tags: `steps: [${"!!str a, ".repeat(100_000)}]`,
		"open expressions": `${STEPS}env: { A: "${"${{".repeat(100_000)}" }\n`,
		"a circle of 1,000 jobs": pipelineOfJobs(
			1_000,
			(index) => `{ needs: [j${(index + 1) % 1_000}, j${(index + 2) % 1_000}, j0], steps: [x] }`,
		),
		"misspelled needs": pipelineOfJobs(1_000, (index) => `{ needs: [${"n".repeat(50)}${index}, jbo_${index}], steps: [x] }`),
		"patterns that take long to compile": `${STEPS}params:\n${many(50, (index) => `  p${index}: { pattern: '[\\pL\\pN]{1,${400 + index}}', default: ${"a".repeat(4_000)} }`)}\n`,
		"many large jobs": `env: {${many(4_000, (index) => `K${index}: ${"v".repeat(20)}`, ", ")}}\n${pipelineOfJobs(1_000, () => "{ steps: [x] }")}`,
		"JSON of many numbers": `[${"1,".repeat(5_000_000)}1]`,
		"no JSON": `{"pipeline": ${"[".repeat(1_000_000)}`,
	};
}
