import { programOf } from "./program.ts";
import { runProgram } from "./run_program.ts";

/** The program `windlass`. */

runProgram((setExitCode) => programOf(setExitCode, process.argv[2]));
