/** The names of outputs: those that a job declares, and those that its steps write. */
export const OUTPUT_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
export const OUTPUT_NAME_ERROR =
	"The name of an output has letters, digits, dashes and underscores, at most 63, and does not begin with a digit or a dash.";
