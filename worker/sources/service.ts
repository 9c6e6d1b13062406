export { requireSource, storeSource } from "./bundles.ts";
export { findSource, touchSource } from "./store.ts";
