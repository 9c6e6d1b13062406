import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { durableSql } from "../../worker/queue/durable_sql.ts";
import { sqlConformance } from "../support/sql_conformance.ts";

sqlConformance((body) => runInDurableObject(env.DISPATCHER.getByName("team:sql"), (_, state) => body(durableSql(state.storage))));
