export { missingJobSecrets, missingSecretAdvice, readJobSecrets } from "./job_secrets.ts";
export { deleteSecret, listSecrets, missingSecrets, openText, putSecret, readSecrets, sealText } from "./vault.ts";
