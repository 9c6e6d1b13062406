/**
 * Keys of GitHub Actions, GitLab, Woodpecker and Drone, and what to write in Windlass in their
 * place.
 */

export const GITHUB = "GitHub Actions";
export const GITLAB = "GitLab";
export const WOODPECKER = "Woodpecker";
export const DRONE = "Drone";

/** The part of a pipeline that a key stands in. */
export type Place =
	| "pipeline"
	| "job"
	| "step"
	| "on"
	| "event"
	| "need"
	| "include"
	| "artifacts"
	| "saved"
	| "retry"
	| "container"
	| "service"
	| "concurrency"
	| "defaults"
	| "reports"
	| "parameter";

interface ForeignKey {
	key: string;
	places: readonly Place[];
	systems: readonly string[];
	/** What to write in Windlass; where there is no equivalent, what to do instead. */
	write: string;
}

const CACHE_FORM = "Write `cache` in the job: cache: { key: \"npm-${{ hash('package-lock.json') }}\", paths: node_modules }.";
const NO_PLUGINS = "Windlass has no plugins. Write their commands into `run`, and their settings into `env`.";
export const HIDDEN_JOB =
	"Write it into `templates`, without the dot, and name it in `extends` of a job: templates: { base: { timeout: 10m } }.";
const NO_PORTS = "Remove it: a job reaches a service by its name, at any port.";
const STEP_IF = 'Write the condition into `if`: if: run.branch == "main", or if: failure().';
const JOB_OF_IMAGE =
	"All steps of a job run in one image. Write `container` in the job; a step with another image becomes a job with `needs`.";
const IF_AND_ON = 'Write a condition into `if`, such as if: run.branch == "main", and the events that start the pipeline into `on`.';
const PLATFORM = "Write `runs_on` with `os` and `arch`: runs_on: { os: linux, arch: arm64 }.";
const LABELS = "Write the labels of the agent: runs_on: [linux, docker].";
const CLONE =
	"Windlass checks out the repository before the first step. Write `source` to choose `depth`, `filter`, `tags`, `submodules` and `lfs`.";
const EXCLUDE = 'Exclude with `!` in the list itself: branches: ["**", "!wip/**"].';
export const SECRETS = "Write `secrets` in the job: secrets: { TOKEN: deploy-token } puts the secret deploy-token into the variable TOKEN.";

/** One row for each key: where it may stand, who has it, and what to write instead. */
export const FOREIGN_KEYS: readonly ForeignKey[] = [
	// The whole file.
	row("pipeline", ["pipeline"], [WOODPECKER, DRONE], "Write `steps` with a list, or `jobs` with a map: steps: [make test]."),
	row("kind", ["pipeline"], [DRONE], "Remove it: a file is one pipeline."),
	row(
		"type",
		["pipeline"],
		[DRONE],
		"Remove it: `container` in a job runs its steps in an image; without it they run on the agent itself.",
	),
	row("trigger", ["pipeline"], [DRONE], "Write `on`: on: { push: { branches: main }, pull_request: {} }."),
	row("when", ["pipeline"], [WOODPECKER], "Write `on`: on: { push: { branches: main }, pull_request: {} }."),
	row("workflow", ["pipeline"], [GITLAB], "Write `on`: on: { push: { branches: main }, pull_request: {} }."),
	row("depends_on", ["pipeline"], [WOODPECKER, DRONE], "Pipelines do not wait for each other. Write one file with `jobs` and `needs`."),
	row("spec", ["pipeline"], [GITLAB], "Write the inputs of a pipeline into `params`: params: { target: { default: staging } }."),
	row("default", ["pipeline"], [GITLAB], "Write `defaults`: defaults: { container: node:24 }."),
	row("run-name", ["pipeline"], [GITHUB], "Runs have the `name` of their pipeline."),
	row("permissions", ["pipeline", "job"], [GITHUB], `Jobs get no token of the forge: remove it. ${SECRETS}`),
	row("platform", ["pipeline"], [DRONE, WOODPECKER], PLATFORM),
	row("labels", ["pipeline"], [WOODPECKER], LABELS),
	row("node", ["pipeline"], [DRONE], LABELS),
	row("clone", ["pipeline"], [WOODPECKER, DRONE], CLONE),
	row("skip_clone", ["pipeline"], [WOODPECKER], CLONE),
	row(
		"workspace",
		["pipeline"],
		[WOODPECKER, DRONE],
		"Write the folder of the workspace in the image: container: { image: node:24, workdir: /src }.",
	),
	row(
		"image_pull_secrets",
		["pipeline"],
		[DRONE],
		"Write the name of credentials of the agent: container: { image: node:24, credentials: lan }.",
	),
	row(
		"volumes",
		["pipeline"],
		[DRONE],
		"Write named volumes of the agent into the container: container: { image: node:24, volumes: [npm:/root/.npm] }.",
	),
	row("pages", ["pipeline"], [GITLAB], "Windlass hosts no pages. Keep the files with `artifacts`: artifacts: { save: public }."),

	// The file or a job.
	row(
		"variables",
		["pipeline", "job", "defaults"],
		[GITLAB, WOODPECKER],
		"Write `env`: env: { NODE_ENV: test }. A submission can choose the values of `params`.",
	),
	row("image", ["pipeline", "job", "defaults"], [GITLAB], "Write `container`: container: node:24."),
	row("cache", ["pipeline", "step"], [GITLAB, WOODPECKER], CACHE_FORM),
	row("script", ["pipeline", "job"], [GITLAB], "Write `steps`: steps: [make, make test]."),
	row("commands", ["pipeline", "job"], [WOODPECKER, DRONE], "Write `steps`: steps: [make, make test]."),
	row("before_script", ["pipeline", "job", "defaults"], [GITLAB], "Write its commands as the first of the `steps`."),
	row("after_script", ["pipeline", "job", "defaults"], [GITLAB], "Write its commands into `finally` of the job: finally: [make clean]."),

	// A job.
	row("runs-on", ["job"], [GITHUB], "Write `runs_on`: runs_on: [linux]. Without it any agent can take the job."),
	row("tags", ["job", "defaults"], [GITLAB], LABELS),
	row("timeout-minutes", ["job", "step"], [GITHUB], "Write `timeout` with a unit: timeout: 30m."),
	row(
		"strategy",
		["job"],
		[GITHUB],
		"Write `matrix` in the job itself: matrix: { node: [22, 24], fail_fast: true }. For `max-parallel`: concurrency: { group: test, limit: 2 }.",
	),
	row(
		"parallel",
		["job"],
		[GITLAB],
		"Write `matrix`: matrix: { shard: [1, 2, 3] }. The job reads the value as ${{ matrix.shard }} in `env`.",
	),
	row("depends_on", ["job"], [WOODPECKER, DRONE], "Write `needs`: needs: [build]."),
	row(
		"dependencies",
		["job"],
		[GITLAB],
		"Write `artifacts.fetch`: artifacts: { fetch: build }. The job must also need it: needs: [build].",
	),
	row(
		"when",
		["job"],
		[GITLAB, WOODPECKER, DRONE],
		'Write `if`: if: run.branch == "main", if: always() or if: failure(). For `manual`: approval: true.',
	),
	row("only", ["job"], [GITLAB], IF_AND_ON),
	row("except", ["job"], [GITLAB], IF_AND_ON),
	row("rules", ["job"], [GITLAB], IF_AND_ON),
	row("manual_confirmation", ["job"], [GITLAB], "Write `approval`: approval: { message: Deploy to production? }."),
	row("start_in", ["job"], [GITLAB], "Windlass delays no jobs. Write a schedule (on: { schedule: [{ cron: 0 3 * * * }] }) or `approval`."),
	row("continue-on-error", ["job"], [GITHUB], "Write `allow_failure: true`."),
	row("failure", ["job"], [WOODPECKER, DRONE], "Write `allow_failure: true`."),
	row(
		"interruptible",
		["job", "defaults"],
		[GITLAB],
		"Write it for the runs of a branch: concurrency: { group: '${{ run.branch }}', cancel_in_progress: true }.",
	),
	row("resource_group", ["job"], [GITLAB], "Write `concurrency`: concurrency: production. One job of the group runs at a time."),
	row(
		"environment",
		["job"],
		[GITHUB, GITLAB],
		"Windlass has no environments. Write `approval: true` to wait for a person and `concurrency: production` for one job at a time. Variables are in `env`.",
	),
	row("coverage", ["job"], [GITLAB], "Windlass reads reports, not logs: reports: { coverage: { lcov: coverage/lcov.info } }."),
	row("inherit", ["job"], [GITLAB], "A key of the job replaces that of `defaults`: write it in the job."),
	row("trigger", ["job"], [GITLAB], "Windlass has no child pipelines. Write the jobs here, or start a run in a step: windlass run."),
	row("release", ["job"], [GITLAB], "Windlass makes no releases. Call the forge's own program in a step."),
	row("id_tokens", ["job"], [GITLAB], `Windlass issues no identity tokens. ${SECRETS}`),
	row("uses", ["job"], [GITHUB], "Windlass has no reusable workflows. Write the steps of the job here."),
	row("with", ["job"], [GITHUB], "Windlass has no reusable workflows. Write the steps of the job here, with their values in `env`."),
	row("defaults", ["job"], [GITHUB], "Write `shell` and `working_directory` in `defaults` of the pipeline, or in each step."),
	row("run", ["job"], [GITHUB, GITLAB], "Write `steps`: steps: [make test]."),
	row(
		"privileged",
		["job", "step", "container", "service"],
		[WOODPECKER, DRONE],
		"Windlass runs no privileged containers. Build images with a step: build: { tags: app }.",
	),

	// A step.
	row("uses", ["step"], [GITHUB], "Windlass has no actions. Write the commands into `run`."),
	row("with", ["step"], [GITHUB], "Windlass has no actions. Write the commands into `run`, and the values into `env`."),
	row("when", ["step"], [WOODPECKER, DRONE], STEP_IF),
	row("working-directory", ["step", "defaults"], [GITHUB], "Write `working_directory`: working_directory: web."),
	row("directory", ["step"], [WOODPECKER], "Write `working_directory`: working_directory: web."),
	row("continue-on-error", ["step"], [GITHUB], "Write `continue_on_error`: continue_on_error: true."),
	row("failure", ["step"], [WOODPECKER, DRONE], "Write `continue_on_error`: continue_on_error: true."),
	row("script", ["step"], [GITLAB], "Write `run`: run: make test."),
	row("commands", ["step"], [WOODPECKER, DRONE], "Write `run`, with a line for each command: run: |."),
	row("image", ["step"], [WOODPECKER, DRONE], JOB_OF_IMAGE),
	row("container", ["step"], [GITHUB], JOB_OF_IMAGE),
	row("settings", ["step"], [WOODPECKER, DRONE], NO_PLUGINS),
	row("environment", ["step"], [WOODPECKER, DRONE], "Write `env`: env: { NODE_ENV: test }."),
	row("secrets", ["step"], [WOODPECKER], SECRETS),
	row(
		"depends_on",
		["step"],
		[WOODPECKER, DRONE],
		"Steps run one after the other. Write steps that run at the same time into `parallel`: parallel: [make lint, make test].",
	),
	row("group", ["step"], [WOODPECKER], "Write steps that run at the same time into `parallel`: parallel: [make lint, make test]."),
	row("detach", ["step"], [WOODPECKER, DRONE], "Write a service of the job: services: { db: postgres:17 }."),
	row("pull", ["step"], [WOODPECKER, DRONE], "Write it into the container of the job: container: { image: node:24, pull: always }."),
	row(
		"volumes",
		["step"],
		[WOODPECKER, DRONE],
		"Write named volumes into the container of the job: container: { image: node:24, volumes: [npm:/root/.npm] }.",
	),
	row("ports", ["step"], [WOODPECKER], NO_PORTS),
	row("entrypoint", ["step"], [WOODPECKER, DRONE], "Windlass starts a shell for each step. Write the command into `run`."),
	row("user", ["step"], [DRONE], "Write it into the container of the job: container: { image: node:24, user: node }."),

	// Events.
	row("workflow_dispatch", ["on"], [GITHUB], "Remove it: each pipeline can be started by hand. Write its inputs into `params`."),
	row("workflow_call", ["on"], [GITHUB], "Windlass has no reusable workflows. Write the jobs into this file."),
	row("workflow_run", ["on"], [GITHUB], "Pipelines do not start each other. Write one file with `jobs` and `needs`."),
	row("repository_dispatch", ["on"], [GITHUB], "Remove it: each pipeline can be started with `windlass run`."),
	row("pull_request_target", ["on"], [GITHUB], "Write `pull_request`. A run for a fork waits for an approval, and gets no secrets."),
	row("merge_request", ["on"], [GITLAB], "Write `pull_request`: it stands for merge requests, too."),
	row("tag", ["on"], [WOODPECKER, DRONE], 'Write `push` with `tags`: on: { push: { tags: "v*" } }.'),
	row("release", ["on"], [GITHUB, WOODPECKER], 'Write `push` with `tags`: on: { push: { tags: "v*" } }.'),
	row("cron", ["on"], [WOODPECKER, DRONE], "Write `schedule`: on: { schedule: [{ cron: 0 3 * * * }] }."),
	row("manual", ["on"], [WOODPECKER], "Remove it: each pipeline can be started by hand."),
	row("branches-ignore", ["event"], [GITHUB], EXCLUDE),
	row("tags-ignore", ["event"], [GITHUB], 'Exclude with `!` in the list itself: tags: ["**", "!*-rc*"].'),
	row("paths-ignore", ["event"], [GITHUB], 'Exclude with `!` in the list itself: paths: ["**", "!docs/**"].'),
	row("types", ["event"], [GITHUB], "Write `events`: events: [opened, updated]."),
	row("branch", ["event", "on"], [WOODPECKER, DRONE], "Write `branches` in `push` or `pull_request`: on: { push: { branches: main } }."),
	row("event", ["on"], [WOODPECKER, DRONE], "Write the names of the events themselves: on: [push, pull_request]."),

	// Included files.
	row("local", ["include"], [GITLAB], "Write `file`: include: [{ file: ci/base.yml }]."),
	row("remote", ["include"], [GITLAB], "Files of other servers are not included. Copy it into the repository, or into that of a project."),
	row("template", ["include"], [GITLAB], "Windlass has no templates of its own. Write the jobs here."),
	row("component", ["include"], [GITLAB], "Write the project and the file: include: [{ project: common, file: ci/base.yml }]."),
	row("rules", ["include"], [GITLAB], "Write the condition into `if` of the jobs."),

	// Parts of a job.
	row("artifacts", ["need"], [GITLAB], "Write `artifacts` in the job itself: artifacts: { fetch: build }."),
	row("optional", ["need"], [GITLAB], "A need cannot be optional: each needed job is a job of this pipeline. Remove it."),
	row("pipeline", ["need"], [GITLAB], "Jobs need jobs of their own pipeline only. Write the needed job here."),
	row("project", ["need"], [GITLAB], "Jobs need jobs of their own pipeline only. Write the needed job here."),
	row("paths", ["artifacts"], [GITLAB], "Write `save`: artifacts: { save: [dist/**] }."),
	row("path", ["artifacts", "saved"], [GITHUB], "Write `save` with `paths`: artifacts: { save: [{ paths: dist/**, name: dist }] }."),
	row("exclude", ["artifacts"], [GITLAB], 'Exclude with `!` in `save`: artifacts: { save: [dist/**, "!dist/*.map"] }.'),
	row("expire_in", ["artifacts"], [GITLAB], "Write it in an entry of `save`: artifacts: { save: [{ paths: dist/**, expire_in: 7d }] }."),
	row(
		"retention-days",
		["artifacts", "saved"],
		[GITHUB],
		"Write `expire_in` in an entry of `save`: artifacts: { save: [{ paths: dist/**, expire_in: 7d }] }.",
	),
	row("name", ["artifacts"], [GITLAB], "Write it in an entry of `save`: artifacts: { save: [{ paths: dist/**, name: dist }] }."),
	row("when", ["artifacts"], [GITLAB], "Remove it: artifacts are saved whether the steps succeed or fail."),
	row("reports", ["artifacts"], [GITLAB], "Write `reports` in the job itself: reports: { junit: results.xml }."),
	row("untracked", ["artifacts"], [GITLAB], "Write the patterns of the files into `save`: artifacts: { save: [dist/**] }."),
	row("expose_as", ["artifacts"], [GITLAB], "Write `name` in an entry of `save`: artifacts: { save: [{ paths: dist/**, name: dist }] }."),
	row("if-no-files-found", ["artifacts", "saved"], [GITHUB], "Write `required: true` in an entry of `save`."),
	row("coverage_report", ["reports"], [GITLAB], "Write `coverage`: coverage: { cobertura: coverage.xml }."),
	row("max", ["retry"], [GITLAB], "Write `attempts`, the first one included: retry: { attempts: 3 }."),
	row("when", ["retry"], [GITLAB], "Write `on`: retry: { attempts: 3, on: [failed, lost] }."),
	row("cancel-in-progress", ["concurrency"], [GITHUB], "Write `cancel_in_progress`."),
	row("run", ["defaults"], [GITHUB], "Write its keys in `defaults` itself: defaults: { shell: bash, working_directory: web }."),
	row("ports", ["container"], [GITHUB, WOODPECKER, DRONE], NO_PORTS),
	row("name", ["container"], [GITLAB], "Write `image`: container: { image: node:24 }."),
	row("entrypoint", ["container"], [GITLAB], "Windlass starts a shell for each step. Remove it."),
	row("entrypoint", ["service"], [GITLAB, WOODPECKER, DRONE], "Write `command`: command: [postgres, -c, fsync=off]."),
	row("environment", ["service"], [WOODPECKER, DRONE], "Write `env`: env: { POSTGRES_PASSWORD: test }."),
	row("variables", ["service"], [GITLAB], "Write `env`: env: { POSTGRES_PASSWORD: test }."),
	row("commands", ["service"], [WOODPECKER, DRONE], "Write `command`: command: [postgres, -c, fsync=off]."),
	row("options", ["service"], [GITHUB], "Write a health check into `health`: health: pg_isready."),
	row("pull_policy", ["container", "service"], [GITLAB], "Write `pull`: pull: always."),
	row("value", ["parameter"], [GITLAB], "Write `default`."),
];

function row(key: string, places: readonly Place[], systems: readonly string[], write: string): ForeignKey {
	return { key, places, systems, write };
}

/** Values that other systems take, where Windlass wants another kind of value. */
export interface ForeignForm {
	key: string;
	place: Place;
	systems: readonly string[];
	form: "list" | "map" | "text" | "number";
	/** The texts that the other system takes; default: all. */
	pattern?: RegExp;
	write: string;
}

export const FOREIGN_FORMS: readonly ForeignForm[] = [
	{
		key: "services",
		place: "job",
		systems: [GITLAB, DRONE, WOODPECKER],
		form: "list",
		write: "Write a map of names to images: services: { db: postgres:17 }.",
	},
	{
		key: "steps",
		place: "job",
		systems: [WOODPECKER],
		form: "map",
		write: "Write a list of commands: steps: [make, make test]. A step with an image of its own becomes a job.",
	},
	{
		key: "secrets",
		place: "job",
		systems: [WOODPECKER],
		form: "list",
		write: "Write a map of variables to secrets: secrets: { TOKEN: deploy-token }.",
	},
	{
		key: "secrets",
		place: "job",
		systems: [GITHUB],
		form: "text",
		write: "Windlass gives a job only the secrets that it names: secrets: { TOKEN: deploy-token }.",
	},
	{
		key: "retry",
		place: "job",
		systems: [GITLAB],
		form: "number",
		write: "Write the attempts, the first one included: retry: { attempts: 3 }.",
	},
	{
		key: "outputs",
		place: "job",
		systems: [GITHUB],
		form: "map",
		write: "Write a list of names, and write the values in a step: echo version=1.2 >> $CI_OUTPUT.",
	},
	{
		key: "allow_failure",
		place: "job",
		systems: [GITLAB],
		form: "map",
		write: "Write `true` or `false`. To allow some exit codes only, handle them in the command.",
	},
	{ key: "env", place: "job", systems: [WOODPECKER], form: "list", write: "Write a map: env: { NODE_ENV: test }." },
	{
		key: "timeout",
		place: "job",
		systems: [GITLAB],
		form: "text",
		pattern: /^\d+h \d|hour|minute|second|^\d+ /i,
		write: "Write hours and minutes without spaces: timeout: 1h30m.",
	},
	{ key: "options", place: "container", systems: [GITHUB], form: "text", write: "Write a map: options: { cpus: 2, memory: 4g }." },
	{
		key: "credentials",
		place: "container",
		systems: [GITHUB],
		form: "map",
		write: "Write the name of credentials that the agent has: credentials: lan.",
	},
	{
		key: "command",
		place: "service",
		systems: [GITHUB, WOODPECKER],
		form: "text",
		write: "Write a list of words: command: [postgres, -c, fsync=off].",
	},
	{ key: "pipeline", place: "pipeline", systems: [WOODPECKER, DRONE], form: "list", write: "Write `steps`: steps: [make test]." },
	{
		key: "paths",
		place: "event",
		systems: [WOODPECKER],
		form: "map",
		write: 'Write a list in which `!` excludes: paths: [src/**, "!docs/**"].',
	},
];

/** Actions that Windlass has keys for. */
export const ACTIONS: readonly [name: string, write: string][] = [
	["actions/checkout", `Remove this step. ${CLONE}`],
	["actions/upload-artifact", "Write `artifacts` in the job: artifacts: { save: dist/** }."],
	["actions/download-artifact", "Write `artifacts` in the job: artifacts: { fetch: build }."],
	["actions/cache", CACHE_FORM],
	["actions/setup-", "Run the job in an image that has the tool (container: node:24), or ask for it: runs_on: { tools: { node: 24.x } }."],
	["docker/build-push-action", "Write a step that builds: build: { tags: registry.lan/app:1, push: true }."],
	["docker/login-action", "Write the name of credentials of the agent: build: { tags: registry.lan/app:1, push: true, credentials: lan }."],
];
