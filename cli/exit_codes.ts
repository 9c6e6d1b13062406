import { CANCELLED_EXIT, ERRORED_EXIT, TIMED_OUT_EXIT } from "../schema/wire/run_exit_codes.ts";

/** The exit codes of the commands. Those that follow a run end with the exit code of the run. */
export const EXIT = {
	succeeded: 0,
	/** The coordinator rejected the request, a pipeline has errors, or the program has a bug. */
	failed: 1,
	/** The command was used wrongly, or its coordinator, folder or file cannot be used. */
	usage: 2,
	timedOut: TIMED_OUT_EXIT,
	errored: ERRORED_EXIT,
	cancelled: CANCELLED_EXIT,
	/** 128 + SIGPIPE (13): the reader of the output has gone. */
	closedPipe: 141,
} as const;

/** For the help of the commands that follow a run or run a pipeline. */
export const RUN_EXIT_CODES = `
Exit codes:
  ${EXIT.succeeded}         the run succeeded, or was skipped
  ${EXIT.failed} to 255  the exit code of the first job that failed
  ${EXIT.usage}         the command was used wrongly, and nothing was run
  ${EXIT.timedOut}       the run timed out
  ${EXIT.errored}       the run errored: a job could not run
  ${EXIT.cancelled}       the run was cancelled, or Ctrl-C ended the command
  ${EXIT.closedPipe}       the reader of the output has gone`;

/** For the help of the program. */
export const EXIT_CODES = `
Exit codes:
  ${EXIT.succeeded}    success
  ${EXIT.failed}    the coordinator rejected the request, or a pipeline has errors
  ${EXIT.usage}    the command was used wrongly, or the coordinator does not answer
  ${EXIT.closedPipe}  the reader of the output has gone
run, exec, rerun, pipelines trigger and logs --follow end with the exit code of
the run. Their help lists those codes.`;
