/** Why a pipeline or a step may not set a variable of this name; null if it may. */
export function variableNameError(name: string): string | null {
	if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
		return "The name of a variable has letters, digits and underscores, and does not begin with a digit.";
	if (/^CI(_|$)/.test(name)) return "Windlass sets CI and CI_*: choose another name.";
	return name.startsWith("WINDLASS_") ? "Names that begin with WINDLASS_ are reserved: choose another name." : null;
}
