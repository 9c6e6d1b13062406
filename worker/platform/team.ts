export const DEFAULT_TEAM = "default";
