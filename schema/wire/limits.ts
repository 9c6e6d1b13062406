/** The sizes, counts and times of the protocol and the API, in bytes and milliseconds. */

const KIB = 1024;
export const MIB = 1024 * KIB;

/** The longest text of a pipeline or submission; a longer body is rejected before it is read. */
export const MAX_PIPELINE_BYTES = 10 * MIB;
/** The largest resolved pipeline of one run. */
export const MAX_RESOLVED_BYTES = 512 * KIB;
export const MAX_JOBS = 1000;
/** The runs of a batch submission, and the jobs of all of them. */
export const MAX_BATCH_RUNS = 1000;
export const MAX_BATCH_JOBS = 5000;
export const MAX_STEPS = 200;
export const MAX_FINALLY_STEPS = 50;
export const MAX_PARALLEL_STEPS = 20;
/** The steps of an attempt: those of the pipeline, and the agent's own around them. */
export const MAX_ATTEMPT_STEPS = MAX_STEPS + MAX_FINALLY_STEPS + 5;
/** How long the steps that run after a job has ended may take, unless the job says otherwise. */
export const DEFAULT_FINALLY_MS = 5 * 60_000;
export const MAX_YAML_ALIASES = 100;
/**
 * The keys, values and items of a pipeline or submission. Each alias counts for all of its content.
 */
export const MAX_PIPELINE_NODES = 50_000;
/** The matrix jobs of one job. */
export const MAX_MATRIX_CELLS = 256;
/** The changed paths in a submission. */
export const MAX_CHANGED_PATHS = 5000;

/** The pipeline files of a repository: their number, the bytes of each, and the bytes of all. */
export const MAX_DISCOVERY_FILES = 50;
export const MAX_DISCOVERY_FILE_BYTES = 256 * KIB;
export const MAX_DISCOVERY_BYTES = 1 * MIB;
/** The files that the pipelines of a repository include. */
export const MAX_INCLUDED_FILES = 100;
/** The resolved pipelines of all runs that one discovery job makes. */
export const MAX_DISCOVERED_BYTES = 8 * MIB;
/** The compared branches and tags of a repository, and the length of a name. */
export const MAX_REFS = 10_000;
export const MAX_REF_LENGTH = 500;
/** The body of a delivery. */
export const MAX_HOOK_BYTES = 25 * MIB;

/** One output of a job, and all of them together. */
export const MAX_OUTPUT_BYTES = 32 * KIB;
export const MAX_OUTPUTS_BYTES = 256 * KIB;
/** The test cases of an attempt, as JSON. */
export const MAX_TESTS_BYTES = 48 * MIB;
/** The summary of a job. */
export const MAX_SUMMARY_BYTES = 1 * MIB;
/** An answer lists this many errors of a text, and counts the rest. */
export const MAX_ERRORS_SHOWN = 100;

/** A source bundle in a multipart submission. */
export const MAX_SUBMITTED_SOURCE_BYTES = 32 * MIB;
/** A source bundle in an upload of its own. */
export const MAX_SOURCE_BYTES = 1024 * MIB;
/** The unpacked size of a source bundle. */
export const MAX_SOURCE_UNPACKED_BYTES = 4096 * MIB;
export const MAX_SOURCE_ENTRIES = 200_000;
/**
 * The highest compression of a source by gzip, after the first bytes. Usual sources have about 20.
 */
export const MAX_SOURCE_RATIO = 100;
export const SOURCE_RATIO_FREE_BYTES = 32 * MIB;

/** The bytes of one log PATCH. */
export const MAX_LOG_CHUNK_BYTES = 1 * MIB;
/** The bytes of a log, unless the coordinator has another setting. */
export const DEFAULT_MAX_LOG_BYTES = 64 * MIB;

/** Files up to this size are sent in one PUT. */
export const SINGLE_PART_BYTES = 64 * MIB;
/** Larger files are sent in equal parts of this size. */
export const PART_BYTES = 32 * MIB;
export const MAX_PARTS = 10_000;
export const MAX_UPLOADS_PER_REQUEST = 500;
export const MAX_ARTIFACTS_PER_JOB = 10_000;
export const MAX_ARTIFACT_PATH_BYTES = 1024;
/** The entries of `artifacts.save`. */
export const MAX_SAVE_ENTRIES = 100;

/** The longest result of an attempt: ten thousand files with long names. */
export const MAX_FINISH_BYTES = 32 * MIB;

/** The longest body of other agent requests, except bytes of a log or a file. */
export const MAX_PROTOCOL_BODY_BYTES = 8 * MIB;

/** The largest log that a result carries, and its length in base64. */
export const MAX_RESULT_LOG_BYTES = 64 * KIB;
export const MAX_RESULT_LOG_BASE64 = 4 * Math.ceil(MAX_RESULT_LOG_BYTES / 3);
/** The results that one poll carries. */
export const MAX_RESULTS = 32;

/**
 * What an agent says of itself and of its leases: a thousand attempts, and all that is known of its
 * machine.
 */
export const MAX_AGENT_BODY_BYTES = 256 * KIB;

export const DEFAULT_JOB_TIMEOUT_MS = 60 * 60_000;
/** The least that the log of a job may be limited to, in bytes. */
export const LEAST_LOG_LIMIT = 64 * 1024;

export const MAX_JOB_TIMEOUT_MS = 24 * 60 * 60_000;

/** How long the token of a lease is valid: longer than any job with all its grace. */
export const LEASE_TOKEN_MS = MAX_JOB_TIMEOUT_MS + 2 * 60 * 60_000;

/** The attempts in all after a lost agent, unless the job's `retry` says otherwise. */
export const DEFAULT_LOST_ATTEMPTS = 3;
export const MAX_RETRY_ATTEMPTS = 10;

export const DEFAULT_LIST_LIMIT = 20;
export const MAX_LIST_LIMIT = 200;

export const PROTOCOL_VERSION = 2;

/** The caches of a job, their paths and restore keys, and the length of a key. */
export const MAX_CACHES = 20;
export const MAX_CACHE_PATHS = 50;
export const MAX_RESTORE_KEYS = 10;
export const MAX_CACHE_KEY_BYTES = 512;
/** A cache is stored in parts of this length; the last one is shorter. */
export const CACHE_PART_BYTES = 16 * MIB;
/** The files of a cache together, unpacked. */
export const MAX_CACHE_BYTES = 64 * 1024 * MIB;
/** The caches that an agent fetches at its start. */
export const MAX_WARM_CACHES = 100;
export const MAX_CACHE_PARTS = 640;
