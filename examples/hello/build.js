import { mkdirSync, writeFileSync } from "node:fs";
import { greet } from "./greet.js";

mkdirSync("dist", { recursive: true });
writeFileSync("dist/greeting.txt", `${greet(["Ada", "Grace"])}\nBuilt from ${process.env.CI_COMMIT_SHA ?? "a working copy"}.\n`);
console.log("wrote dist/greeting.txt");
