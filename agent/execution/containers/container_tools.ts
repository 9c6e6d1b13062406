import { isInRange } from "../../../schema/pipeline/validate/requirements.ts";
import { JobError } from "../../outcome.ts";
import { probeOf, UNKNOWN_VERSION, versionIn } from "../tool_probes.ts";
import { docker } from "./docker.ts";
import type { Container } from "./run_options.ts";

const PROBE_MS = 10_000;

/**
 * Looks for the tools that a container must have.
 * @param name of the container, which runs
 * @throws JobError if one is missing, or has another version
 */
export async function assertTools(name: string, { image, tools }: Container): Promise<void> {
	await Promise.all(Object.entries(tools).map(([tool, range]) => assertTool(name, image, tool, range)));
}

async function assertTool(name: string, image: string, tool: string, range: string): Promise<void> {
	const command = probeOf(tool);
	const { code, stdout, stderr } = await docker(["exec", name, ...command], PROBE_MS);
	if (code !== 0) throw new JobError("image_unsuitable", `The image ${image} has no ${tool}: \`${command.join(" ")}\` failed.`);
	const version = versionIn(`${stdout}\n${stderr}`) ?? UNKNOWN_VERSION;
	if (!isInRange(version, range)) throw new JobError("image_unsuitable", `The image ${image} has ${tool} ${version}, not ${range}.`);
}
