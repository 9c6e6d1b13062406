import { IS_IDEMPOTENT } from "../../worker/platform/idempotent.ts";
import { ACTION_NAMES, ACTIONS } from "./actions.ts";

/** What nature does by itself. */
const NATURAL = [
	"request lost",
	"answer lost",
	"request repeated",
	"request or answer slow",
	"alarm lost",
	"killed with calls under way",
	"D1 slow",
	"D1 fails before",
	"D1 fails after",
	"D1 refuses a row",
	"D1 does it for nobody",
	"R2 slow",
	"R2 fails before",
	"R2 fails after",
	"R2 does it for nobody",
];

/** Methods of the Dispatcher that nobody here calls, or too seldom to lose an answer in each few worlds. */
const SELDOM_CALLED: ReadonlySet<string> = new Set([
	"addSchedule",
	"approve",
	"approveRun",
	"bye",
	"cancelJob",
	"cancelRun",
	"checkCredential",
	"checkLease",
	"checkRoom",
	"decline",
	"declineRun",
	"explainQueued",
	"findSchedule",
	"followProject",
	"followRun",
	"deleteProject",
	"hasDeparted",
	"health",
	"held",
	"isAttemptLive",
	"isPrepared",
	"knowsLease",
	"listRegistrationTokens",
	"listSchedules",
	"downloadsFor",
	"setDiskError",
	"recordDelivered",
	"snooze",
	"pause",
	"pauseSchedule",
	"discoveryOf",
	"prepareStop",
	"readAgents",
	"readArtifact",
	"readArtifacts",
	"readComparisons",
	"readDefinition",
	"readEvents",
	"readPause",
	"readUndelivered",
	"fail",
	"release",
	"removeAgent",
	"removeSchedule",
	"retryStatuses",
	"revokeRegistrationToken",
	"rotateToken",
	"sourceOf",
	"submitDelivered",
	"testNotifications",
	"unfollowProject",
	"watch",
]);
const LOST_ANSWERS = Object.keys(IS_IDEMPOTENT)
	.filter((method) => !SELDOM_CALLED.has(method))
	.map((method) => `answer of ${method} lost`);

/** Every kind of fault that there is; in a long enough simulation each has struck. */
export const FAULTS: readonly string[] = [...ACTION_NAMES.filter((action) => ACTIONS[action].isFault), ...NATURAL, ...LOST_ANSWERS];
