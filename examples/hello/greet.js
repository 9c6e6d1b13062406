/**
 * A greeting for one or more people.
 * @param {string[]} names
 * @returns {string}
 */
export function greet(names) {
	if (names.length === 0) return "Hello, whoever is there.";
	if (names.length === 1) return `Hello, ${names[0]}.`;
	return `Hello, ${names.slice(0, -1).join(", ")} and ${names.at(-1)}.`;
}
