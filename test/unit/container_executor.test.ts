import { expect, test } from "vitest";
import { type ContainerContext, ContainerExecutor } from "../../agent/execution/containers/container_executor.ts";

/** What an agent is asked for by a coordinator that has checked nothing. */
function context(container: object): ContainerContext {
	return {
		assignment: { attempt_id: "att_x", services: [] },
		container: { image: "a", workdir: null, devices: [], volumes: [], options: {}, ...container },
		folder: "/nowhere",
		limits: { allowDevices: [], allowNewPrivileges: false, maxProcesses: 4096 },
		signal: new AbortController().signal,
	} as unknown as ContainerContext;
}

test.each([
	["v:/workspace", null, "/workspace"],
	["v:/windlass/../windlass/steps:ro", null, "/windlass"],
	["v:/", null, "/workspace"],
	["v://src/app", "/src", "/src"],
	["v:/src", "/src/app", "/src/app"],
])("an agent mounts no volume %s over what it gives to the job, whoever asks", async (volume, workdir, hidden) => {
	const opened = ContainerExecutor.open(context({ volumes: ["fine:/cache", volume], workdir }));
	await expect(opened).rejects.toMatchObject({
		outcome: { state: "errored", reason: { code: "volume_rejected", text: expect.stringContaining(`would be mounted over ${hidden},`) } },
	});
});
