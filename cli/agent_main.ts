import { assertNode, silenceExperiments } from "./oldest_node.ts";

/** The entry of the package of the agent alone. */

// An older Node does not know modules that the rest imports.
assertNode();
silenceExperiments();
await import("./windlass_agent.ts");
