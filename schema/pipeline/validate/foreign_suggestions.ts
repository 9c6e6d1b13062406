import { code } from "./errors.ts";
import {
	ACTIONS,
	DRONE,
	FOREIGN_FORMS,
	FOREIGN_KEYS,
	type ForeignForm,
	GITHUB,
	GITLAB,
	HIDDEN_JOB,
	type Place,
	SECRETS,
	WOODPECKER,
} from "./foreign_keys.ts";
import { isMap } from "./read_values.ts";

/** Finds what to write in place of a key or a value of another CI system. */

/**
 * What to write in place of another system's key; null for a key that no system has there.
 * @param path the map that has the key, from the pipeline on
 */
export function foreignKey(path: readonly PropertyKey[], key: string, value: unknown): string | null {
	const places = placesOf(path);
	if (key === "uses" && places.includes("step") && typeof value === "string") {
		const action = ACTIONS.find(([name]) => value.startsWith(name));
		if (action) return `${code(key)} is a key of ${GITHUB}. ${action[1]}`;
	}
	for (const place of places) {
		const found = FOREIGN_KEYS.find((one) => one.key === key && one.places.includes(place));
		if (found) return `${code(key)} is a key of ${listed(found.systems)}. ${found.write}`;
	}
	return path.length === 0 ? namedAtTop(key, value) : null;
}

/**
 * GitLab has the jobs at the top of a file, and earlier versions of Woodpecker and Drone the steps
 * below one key.
 */
function namedAtTop(key: string, value: unknown): string | null {
	if (!isMap(value)) return null;
	if (key.startsWith(".")) return `${code(key)} is a hidden job of ${GITLAB}. ${HIDDEN_JOB}`;
	if (["script", "stage", "extends", "before_script", "trigger", "rules"].some((one) => one in value))
		return `${code(key)} is a job of ${GITLAB}. Write it under \`jobs\`: jobs: { ${key}: { steps: [make] } }.`;
	if (["commands", "settings", "image"].some((one) => one in value))
		return `${code(key)} is a step of ${WOODPECKER} or ${DRONE}. Write it as a job: jobs: { ${key}: { container: node:24, steps: [make] } }.`;
	return null;
}

/**
 * What to write in place of another system's kind of value; null for other values.
 * @param path the value, from the pipeline on
 */
export function foreignForm(path: readonly PropertyKey[], value: unknown): string | null {
	const key = String(path.at(-1) ?? "");
	const places = placesOf(path.slice(0, -1));
	const found = FOREIGN_FORMS.find(
		(one) => one.key === key && places.includes(one.place) && one.form === formOf(value) && (one.pattern?.test(String(value)) ?? true),
	);
	if (found) return `This is ${code(key)} of ${listed(found.systems)}. ${found.write}`;
	const isVariable = path.at(-2) === "env";
	return isVariable && isMap(value) && "from_secret" in value ? `\`from_secret\` is a key of ${WOODPECKER} and ${DRONE}. ${SECRETS}` : null;
}

function formOf(value: unknown): ForeignForm["form"] | null {
	if (Array.isArray(value)) return "list";
	if (isMap(value)) return "map";
	if (typeof value === "number") return "number";
	return typeof value === "string" ? "text" : null;
}

function listed(systems: readonly string[]): string {
	return systems.length < 3 ? systems.join(" and ") : `${systems.slice(0, -1).join(", ")} and ${systems.at(-1)}`;
}

/** Which parts of a pipeline a path is; the top of a pipeline of steps is a job as well. */
function placesOf(path: readonly PropertyKey[]): Place[] {
	const parts = path.map(String);
	if (parts.length === 0) return ["pipeline", "job"];
	if (parts[0] === "on") return parts.length === 1 ? ["on"] : ["event"];
	if (parts[0] === "params") return parts.length === 2 ? ["parameter"] : [];
	const inner = parts[0] === "jobs" ? parts.slice(2) : parts;
	if (inner.length === 0) return ["job"];
	if (inner[0] === "defaults" && inner.length === 1) return ["defaults"];
	const [first, second, third] = inner[0] === "defaults" ? inner.slice(1) : inner;
	switch (first) {
		case "steps":
			return ["step"];
		case "needs":
			return ["need"];
		case "include":
			return ["include"];
		case "artifacts":
			return second === undefined ? ["artifacts"] : second === "save" ? ["saved"] : [];
		case "services":
			return third === undefined ? ["service"] : [];
		case "retry":
		case "container":
		case "concurrency":
		case "reports":
			return second === undefined ? [first] : [];
		default:
			return [];
	}
}
