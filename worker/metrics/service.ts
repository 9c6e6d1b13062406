export { metricsOf } from "./metrics_of.ts";
export { countAnswer, flushIfDue } from "./request_counts.ts";
