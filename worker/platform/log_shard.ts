import type { Environment, LogShard } from "../bindings.ts";

/** The LogShard of this number: it holds the logs of the live attempts that were given to it. */
export function logShardOf(environment: Environment, shard: number): DurableObjectStub<LogShard> {
	return environment.LOG_SHARD.getByName(`log:${shard}`);
}
