export { buildCacheAccess } from "./access.ts";
