/** Sizes, counts and times that both sides of the wire keep to. Bytes and milliseconds throughout. */

const KIB = 1024;
export const MIB = 1024 * KIB;

/** The longest text of a pipeline or submission; a longer body is rejected before it is read. */
export const MAX_PIPELINE_BYTES = 10 * MIB;
/** The largest resolved pipeline that one run may carry. */
export const MAX_RESOLVED_BYTES = 512 * KIB;
export const MAX_JOBS = 1000;
export const MAX_STEPS = 200;
export const MAX_YAML_ALIASES = 100;
/** The keys, values and items of a pipeline or submission, each alias counted for all that it stands for. */
export const MAX_PIPELINE_NODES = 50_000;
/** The variants of one job. */
export const MAX_MATRIX_CELLS = 256;
/** The paths that a submission may name as changed. */
export const MAX_CHANGED_PATHS = 5000;

/** The files of a repository that say what is to be run: how many, the bytes of each, and those of all together. */
export const MAX_DISCOVERY_FILES = 50;
export const MAX_DISCOVERY_FILE_BYTES = 256 * KIB;
export const MAX_DISCOVERY_BYTES = 1 * MIB;
/** The runs that one discovery job makes may carry this much in all, resolved. */
export const MAX_DISCOVERED_BYTES = 8 * MIB;
/** The branches and tags of a repository that are compared, and how long the name of each may be. */
export const MAX_REFS = 10_000;
export const MAX_REF_LENGTH = 500;
/** What a forge may deliver to a hook. */
export const MAX_HOOK_BYTES = 25 * MIB;

/** What one output of a job may hold, and all of them together. */
export const MAX_OUTPUT_BYTES = 32 * KIB;
export const MAX_OUTPUTS_BYTES = 256 * KIB;
/** The test cases of an attempt, as JSON. */
export const MAX_TESTS_BYTES = 48 * MIB;
/** The summary of a job. */
export const MAX_SUMMARY_BYTES = 1 * MIB;
/** An answer lists this many errors of a text; more are counted. */
export const MAX_ERRORS_SHOWN = 100;

/** A source bundle that travels inside a multipart submission. */
export const MAX_SUBMITTED_SOURCE_BYTES = 32 * MIB;
/** A source bundle that is uploaded by itself. */
export const MAX_SOURCE_BYTES = 1024 * MIB;
/** What a source bundle may unpack to. */
export const MAX_SOURCE_UNPACKED_BYTES = 4096 * MIB;
export const MAX_SOURCE_ENTRIES = 200_000;
/** What gzip may make of a source: beyond the first bytes it unpacks to at most so many times its length. Sources come to about 20. */
export const MAX_SOURCE_RATIO = 100;
export const SOURCE_RATIO_FREE_BYTES = 32 * MIB;

/** One log PATCH carries at most this many bytes. */
export const MAX_LOG_CHUNK_BYTES = 1 * MIB;
/** A log has at most this many bytes, unless the coordinator is set up otherwise. */
export const DEFAULT_MAX_LOG_BYTES = 64 * MIB;

/** Files up to this size travel in one PUT. */
export const SINGLE_PART_BYTES = 64 * MIB;
/** Larger files travel in equal parts of this size. */
export const PART_BYTES = 32 * MIB;
export const MAX_PARTS = 10_000;
export const MAX_UPLOADS_PER_REQUEST = 500;
export const MAX_ARTIFACTS_PER_JOB = 10_000;
export const MAX_ARTIFACT_PATH_BYTES = 1024;
/** The entries of `artifacts.save`. */
export const MAX_SAVE_ENTRIES = 100;

/** The longest result of an attempt: ten thousand files with long names. */
export const MAX_FINISH_BYTES = 32 * MIB;

/** The longest body of any other agent request that is not bytes of a log or a file. */
export const MAX_PROTOCOL_BODY_BYTES = 8 * MIB;

/** What an agent says of itself and of its leases: a thousand attempts, and all that is known of its machine. */
export const MAX_AGENT_BODY_BYTES = 256 * KIB;

export const DEFAULT_JOB_TIMEOUT_MS = 60 * 60_000;
export const MAX_JOB_TIMEOUT_MS = 24 * 60 * 60_000;

/** How long the token of a lease is valid: longer than any job may run, with all its grace. */
export const LEASE_TOKEN_MS = MAX_JOB_TIMEOUT_MS + 2 * 60 * 60_000;

/** Attempts in all when an agent was lost, unless the job's `retry` says otherwise. */
export const DEFAULT_LOST_ATTEMPTS = 3;
export const MAX_RETRY_ATTEMPTS = 10;

export const DEFAULT_LIST_LIMIT = 20;
export const MAX_LIST_LIMIT = 200;

export const PROTOCOL_VERSION = 1;
