import type { Reason } from "./states.ts";

/**
 * Reasons for the state of a run, job or attempt: their codes, and the reasons that both the queue
 * and `windlass exec` give.
 */

/** What a reason code means, and what to do. docs/reference/reasons.md is generated from this. */
export const REASON_CODES = {
	waiting: {
		needs: "The job waits for the jobs that it needs. Wait until they have ended.",
		offered:
			"The coordinator has given the job to an agent that has not named it yet. That takes a moment: wait. A job with secrets or a repository waits again after 12 seconds, any other after the time of a lease.",
		backoff: "The last attempt did not succeed, and the next one follows after a pause. `retry` in the pipeline limits the attempts.",
		secrets:
			"The coordinator could not read the secrets of the job and tries again after a pause. If this continues, check its log and the master key.",
		concurrency: "The run waits until its concurrency group has room. Wait for the runs in front of it, or cancel one of them.",
		max_parallel: "The job waits for other matrix jobs of its job: `max_parallel` of the matrix limits how many run at once.",
		approval: "The job waits for an approval. Approve or decline it on its page, or with `windlass approve` or `windlass decline`.",
		run_approval: "The run comes from a fork and waits for an approval. Read the change, then approve or decline the run.",
	},
	skipped: {
		condition: "The condition of the job, its `if`, is false. Change the condition if the job should have run.",
		need_failed: "A job that this one needs did not succeed. Fix that job, or give this one a condition such as `always()`.",
		reused: "A rerun has taken over the result of the earlier run. To run the job again, rerun the whole run.",
	},
	cancelled: {
		cancelled: "A person cancelled the job or its run. Rerun it to get a result.",
		cancel_forced:
			"The agent did not end a cancelled job in time, so the queue ended it. Check whether the agent still runs its processes.",
		declined: "A person declined the approval. The reason has the person's comment.",
		approval_timed_out: "Nobody approved it in time. Rerun it, and approve it before the time is over.",
		superseded: "A newer run or commit has replaced this one. Look at the newer run.",
		fail_fast: "Another job of the run failed, and `fail_fast` ended this one. Fix the job that failed.",
		agent_disabled: "A person disabled the agent and cancelled its jobs. Rerun the job on another agent.",
	},
	timedOut: {
		timed_out: "The job ran longer than its timeout. Make it faster, or raise `timeout`.",
		idle_timed_out: "The job wrote nothing for longer than its idle timeout. Write progress to the log, or raise `idle_timeout`.",
		step_timed_out: "A step ran longer than its timeout. Make it faster, or raise the `timeout` of the step.",
		finally_timed_out: "The steps of `finally` took longer than their timeout. Make them faster, or raise `finally.timeout`.",
		run_timed_out: "The run took longer than its timeout. Make its jobs faster, or raise the `timeout` of the pipeline.",
	},
	failed: {
		step_failed: "A step ended with an exit code other than 0. Read the end of the log.",
		tests_failed: "A test report lists failed tests. See the tests on the page of the job.",
		report_unreadable: "A report is missing or cannot be read. Check the paths and formats in `reports`.",
		artifacts_failed: "The files of `artifacts.save` cannot be saved. Check the paths, and the limits of sizes and numbers.",
		output_invalid: "A line of `$CI_OUTPUT` is not an output. Write `name=value`, or `name<<END` and several lines.",
		output_too_large: "The outputs of the job are too large. Save large values as artifacts.",
		variables_invalid:
			"A step has written something to `$CI_ENV` or `$CI_PATH` that cannot be used. Write `name=value`, or `name<<END` and several lines; and absolute folders.",
		no_such_folder: "The working directory of a step does not exist. Create it in an earlier step.",
		workspace_missing: "An earlier step removed or moved the workspace. Remove the files in it, not the folder itself.",
		shell_missing: "The shell of a step is not on its `PATH`. Install it on the agent or in the image, or set another `shell`.",
		environment_too_large: "The variables of a step are too large to start a program. Write long values to files.",
		step_not_started: "The system cannot start a step. The reason has its error message.",
		build_failed: "An image cannot be built. Read the output of the build in the log.",
		push_failed: "An image cannot be pushed. Check its name and the registry credentials of the agent.",
		config_invalid:
			"The pipeline is not valid, or an expression cannot be evaluated. Fix the file; `windlass lint` shows each error with its line.",
	},
	errored: {
		agent_lost: "The agent did not renew its lease, or no longer knew of the job. Check the host and the network of the agent.",
		agent_restarted: "The agent was restarted while the job ran. Drain an agent before you restart it.",
		agent_stopped: "The agent was stopped while the job ran. Drain an agent before you stop it.",
		agent_removed: "A person removed the agent while the job ran. If no attempt is left, rerun the job.",
		agent_failed: "The agent itself failed. Read the log of the agent.",
		agent_unsuitable: "The machine does not meet the requirements of the job. Install what is missing, or change `runs_on`.",
		never_started: "Ten offers of the job were declined or expired. Check the logs of the agents that were offered it.",
		secret_unavailable: "A secret that the job names does not exist. Set it with `windlass secrets set`.",
		checkout_failed: "The source cannot be checked out. Check the repository, the commit, and the credentials of the source.",
		too_many_refs: "The repository has too many branches and tags for a comparison. Delete some of them.",
		artifacts_unavailable: "Files of a needed job cannot be fetched. Rerun that job, or correct `artifacts.fetch`.",
		log_lost: "The agent could not keep the log of the job. Check the disk of the agent's work folder.",
		log_incomplete: "Some lines of the log are missing, and the log says where. Check the disk of the agent's work folder.",
		container_runtime_unavailable: "Docker does not answer on the agent. Start Docker, or give the agent's user access to it.",
		image_unsuitable: "The image of the container lacks a tool that `container.tools` asks for. Use another image, or change the range.",
		image_unavailable: "An image cannot be pulled. Check its name, the network of the agent, and the registry credentials.",
		credentials_unavailable:
			"The agent has no such registry credentials, or the run comes from a fork. Add them with `--registry-credentials`; forks never get them.",
		device_rejected: "The agent does not allow a device of the job, or the run comes from a fork. Allow it with `--allow-devices`.",
		volume_rejected: "A volume would be mounted over a folder that the agent gives to the job. Use another path in the container.",
		container_failed: "The container of the job cannot be started. Check that its image has a shell, and `chown` for other users.",
		container_lost: "The container of the job ended while a step ran. Check the log of Docker on the agent.",
		network_failed: "The network of the services cannot be created. Check Docker on the agent.",
		service_failed: "A service cannot be started, or has ended. Read its output in the log of the job.",
		service_unhealthy: "A service did not become healthy in time. Correct its health check, or raise its interval or retries.",
	},
} as const satisfies Record<string, Readonly<Record<string, string>>>;

type Codes = typeof REASON_CODES;
export type ReasonCode = { [State in keyof Codes]: keyof Codes[State] }[keyof Codes];

export const RUN_TIMED_OUT: Reason = { code: "run_timed_out", text: "The run timed out." };

/** The code of the reason for jobs that `fail_fast` ends. */
export const FAIL_FAST = "fail_fast" satisfies ReasonCode;

/** @param failed the name of the job that failed */
export function failFastReason(failed: string): Reason {
	return { code: FAIL_FAST, text: `Ended because ${failed} failed.` };
}
