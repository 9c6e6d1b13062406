export function userPath(text: string): string;
