import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { shellLine } from "../../cli/shell_line.ts";

const words = (...given: string[]) => execFileSync("sh", ["-c", shellLine(["printf", "<%s>", ...given])], { encoding: "utf8" });

test("one word is a line for the shell as it is", () => {
	expect(shellLine(["make -j && make test"])).toBe("make -j && make test");
	expect(shellLine(["$HOME/it"])).toBe("$HOME/it");
});

test("of several words the command gets exactly these", () => {
	expect(shellLine(["make", "-j2", "DIR=a/b.c", "all"])).toBe("make -j2 DIR=a/b.c all");
	expect(words("a b", "it's", "", "$HOME", "*", "~", "a;b", "one\ntwo", "\\", "!x", "#", '"')).toBe(
		"<a b><it's><><$HOME><*><~><a;b><one\ntwo><\\><!x><#><\">",
	);
	expect(shellLine(["A=b", "x"])).toBe("'A=b' x");
});
