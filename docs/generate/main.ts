import { writeFile } from "node:fs/promises";
import path from "node:path";
import { generatedPages } from "./pages.ts";

/** `npm run reference`: writes the parts of docs/reference that come from the code. */

for (const { file, text, generated } of await generatedPages()) {
	if (text === generated) continue;
	await writeFile(file, generated);
	console.log(`${path.relative(process.cwd(), file)} is written anew`);
}
