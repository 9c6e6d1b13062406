const COLORS = { base: "#1d4e63", ok: "#147a3d", bad: "#b42318", run: "#1765ad", wait: "#8a5a00" };

/** The icon of the product, also in the color of a tone: a wheel on a rounded square. */
export const ICONS: Readonly<Record<string, string>> = Object.fromEntries(
	Object.entries(COLORS).map(([tone, color]) => [
		tone,
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${color}"/><circle cx="16" cy="16" r="9" fill="none" stroke="#fff" stroke-width="3"/><circle cx="16" cy="16" r="2.5" fill="#fff"/><path d="M16 2v10M16 20v10M2 16h10M20 16h10" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>`,
	]),
);
