import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { inject, onTestFinished } from "vitest";
import type { RegistrationTokenSummary } from "../../schema/wire/agents.ts";
import type { Person } from "../../schema/wire/people.ts";
import type { StoredPipeline } from "../../schema/wire/pipelines.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Agent, Page, RunSummary } from "../../schema/wire/resources.ts";
import type { Secret } from "../../schema/wire/secrets.ts";
import type { Token } from "../../schema/wire/tokens.ts";
import { type AtEnd, LEASE_TTL_MS, TestCoordinator } from "./processes.ts";
import "./shared_coordinators_setup.ts";

/**
 * Coordinators that tests borrow one after another, because a start takes longer than most tests.
 * Each worker of the test runner has its own. A test that kills its coordinator, or needs settings
 * of its own, starts one with `TestCoordinator.start`.
 */

/** Forges and chats of tests listen on this machine. */
const ARGS = ["--allow-outbound", "127.0.0.1"];

const idle: TestCoordinator[] = [];

/** Borrows an empty coordinator until the end of the test, or until `atEnd` says. */
export async function borrowCoordinator(atEnd: AtEnd = onTestFinished): Promise<TestCoordinator> {
	const coordinator = idle.pop() ?? (await start());
	atEnd(async () => {
		await empty(coordinator);
		idle.push(coordinator);
	});
	return coordinator.lentUntil(atEnd);
}

/** Starts a coordinator that the global teardown stops. */
async function start(): Promise<TestCoordinator> {
	const folder = path.join(inject("sharedCoordinators"), randomUUID());
	const coordinator = await TestCoordinator.start({ args: ARGS, data: path.join(folder, "data"), atEnd: () => undefined });
	writeFileSync(path.join(folder, "url"), coordinator.url);
	return coordinator;
}

/** Deletes what tests have made: the next one finds a coordinator as after its start, but for its log. */
async function empty(coordinator: TestCoordinator): Promise<void> {
	const items = async <Item>(address: string) => (await coordinator.get<Page<Item>>(`/api/v1/${address}`)).items;
	const remove = async (address: string) => (await coordinator.request(`/api/v1/${address}`, { method: "DELETE" })).status;
	const removeAll = async <Item>(list: string, addressOf: (item: Item) => string) =>
		void (await Promise.all((await items<Item>(list)).map((item) => remove(addressOf(item)))));
	await coordinator.post("/api/v1/queue/resume", {});
	await removeAll<Agent>("agents", ({ id }) => `agents/${id}`);
	for (const kind of ["pipeline", "discovery", "comparison"]) {
		const runs = await items<RunSummary>(`runs?kind=${kind}&limit=200`);
		await Promise.all(
			runs.map(async ({ id }) => {
				if ((await remove(`runs/${id}`)) !== 409) return;
				await coordinator.request(`/api/v1/runs/${id}/cancel`, { method: "POST", body: "{}" });
				// What a deleted agent ran ends with its lease.
				await coordinator.get(`/api/v1/runs/${id}/wait?timeout=${(2 * LEASE_TTL_MS) / 1000}`);
				await remove(`runs/${id}`);
			}),
		);
	}
	await removeAll<StoredPipeline>("pipelines", ({ id }) => `pipelines/${id}`);
	await removeAll<Project>("projects", ({ name }) => `projects/${name}`);
	await removeAll<Secret>("secrets", ({ name, project }) => `secrets/${name}${project ? `?project=${project}` : ""}`);
	await removeAll<RegistrationTokenSummary>("agent-tokens", ({ id }) => `agent-tokens/${id}`);
	await removeAll<Person>("people", ({ id }) => `people/${id}`);
	await Promise.all((await items<Token>("tokens")).filter(({ is_current }) => !is_current).map(({ id }) => remove(`tokens/${id}`)));
	await remove("sessions");
}
