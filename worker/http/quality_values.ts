/**
 * The weights of a header such as Accept-Encoding (RFC 9110, 12.4.2), by lower-case name. A missing
 * weight is 1; an invalid weight is 0.
 */
export function qualityValues(header: string): Map<string, number> {
	const weights = new Map<string, number>();
	for (const item of header.split(",")) {
		const [name = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
		if (name === "") continue;
		const weight = parameters.find((parameter) => parameter.startsWith("q="));
		const isValid = weight === undefined || /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight);
		weights.set(name, weight === undefined ? 1 : isValid ? Number(weight.slice(2)) : 0);
	}
	return weights;
}
