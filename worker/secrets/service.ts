export { listSecrets, missingSecrets, readSecrets } from "./vault.ts";
