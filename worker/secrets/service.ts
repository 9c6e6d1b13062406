export { missingJobSecrets, missingSecretAdvice, readJobSecrets } from "./job_secrets.ts";
export { listSecrets, missingSecrets, readSecrets } from "./vault.ts";
