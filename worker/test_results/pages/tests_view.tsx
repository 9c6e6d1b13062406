import { formatDuration } from "../../../schema/wire/duration.ts";
import type { NotableTest, ProjectTests } from "../project_tests.ts";

/** The tests of one or of all projects that deserve a look. */
export function TestsView({ tests, hasProjects }: { tests: ProjectTests; hasProjects: boolean }) {
	const { newlyFailing, flakiest, slowest } = tests;
	if (newlyFailing.length + flakiest.length + slowest.length === 0) {
		return (
			<p class="empty">
				No test results yet. A job reports them with <code>{"reports: { junit: report.xml }"}</code>.
			</p>
		);
	}
	return (
		<>
			<TestTable title="Newly failing" tests={newlyFailing} hasProjects={hasProjects} empty="No test fails that passed before." />
			<TestTable title="Flakiest" tests={flakiest} hasProjects={hasProjects} empty="No test both passed and failed on one commit." />
			<TestTable title="Slowest" tests={slowest} hasProjects={hasProjects} empty="No test reports a duration." />
		</>
	);
}

interface TableProps {
	title: string;
	tests: readonly NotableTest[];
	hasProjects: boolean;
	empty: string;
}

function TestTable({ title, tests, hasProjects, empty }: TableProps) {
	return (
		<>
			<h2>{title}</h2>
			{tests.length === 0 ? (
				<p class="soft">{empty}</p>
			) : (
				<div class="scroll">
					<table>
						<thead>
							<tr>
								<th scope="col">Test</th>
								{hasProjects && <th scope="col">Project</th>}
								<th scope="col" class="n">
									Failed
								</th>
								<th scope="col" class="n">
									Flaky
								</th>
								<th scope="col" class="n">
									Duration
								</th>
							</tr>
						</thead>
						<tbody>
							{tests.map((test) => (
								<tr key={JSON.stringify([test.project, test.pipeline, test.suite, test.name])}>
									<td class="wraps">
										<a href={historyAddress(test)}>{test.suite ? `${test.suite} › ${test.name}` : test.name}</a>
									</td>
									{hasProjects && <td>{test.project}</td>}
									<td class="n">{`${test.failed} of ${test.ran}`}</td>
									<td class="n">{test.flaky === 0 ? "–" : test.flaky}</td>
									<td class="n">{formatDuration(test.duration_ms)}</td>
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
		</>
	);
}

/** The page with the history of a test. */
export function historyAddress({ project, pipeline, suite, name }: Pick<NotableTest, "project" | "pipeline" | "suite" | "name">): string {
	return `/tests?${new URLSearchParams({ project, pipeline, suite, name })}`;
}
