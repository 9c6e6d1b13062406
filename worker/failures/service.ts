export { failureOf } from "./digest.ts";
export { visibleText } from "./excerpt.ts";
