export { missingJobSecrets, missingSecretAdvice, readJobSecrets } from "./job_secrets.ts";
export { listSecrets, missingSecrets, openText, readSecrets, sealText } from "./vault.ts";
