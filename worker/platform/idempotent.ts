import type { DurableObject } from "cloudflare:workers";
import type { Dispatcher } from "../queue/dispatcher.ts";

/** The methods that the Dispatcher answers to from outside. */
export type DispatcherMethod = Exclude<keyof Dispatcher, keyof DurableObject>;

/**
 * Whether a method may be called again after its answer was lost: the second call changes nothing more, and gets the answer that the first
 * would have got. A new method is named here before it can be called at all.
 */
export const IS_IDEMPOTENT: Readonly<Record<DispatcherMethod, boolean>> = {
	// Reads.
	isPrepared: true,
	checkRoom: true,
	listSchedules: true,
	readComparisons: true,
	findSchedule: true,
	readUndelivered: true,
	readDefinition: true,
	readRun: true,
	readJob: true,
	readArtifacts: true,
	readArtifact: true,
	readEvents: true,
	held: true,
	hasDeparted: true,
	readPause: true,
	readAgents: true,
	readAgent: true,
	explain: true,
	explainQueued: true,
	followRun: true,
	followChanges: true,
	watch: true,
	listRegistrationTokens: true,
	checkCredential: true,
	checkLease: true,
	knowsLease: true,
	sourceOf: true,
	downloadsFor: true,
	discoveryOf: true,
	isAttemptLive: true,
	health: true,
	// Set a state that the second call finds set.
	prepare: true,
	noteDisk: true,
	cancelRun: true,
	cancelJob: true,
	approve: true,
	approveRun: true,
	pauseSchedule: true,
	forgetProject: true,
	followProject: true,
	unfollowProject: true,
	recordDelivered: true,
	retryStatuses: true,
	pause: true,
	resume: true,
	changeAgent: true,
	prepareStop: true,
	// Carry an id, a number or a digest by which the second call is known.
	submit: true,
	submitDelivered: true,
	compare: true,
	addSchedule: true,
	createRegistrationToken: true,
	register: true,
	rotateToken: true,
	hello: true,
	poll: true,
	renew: true,
	bye: true,
	start: true,
	release: true,
	pinCommit: true,
	finish: true,
	logArchived: true,
	// The second call finds nothing left to decide or to remove, and would say so to a caller who has succeeded.
	decline: false,
	declineRun: false,
	removeSchedule: false,
	revokeRegistrationToken: false,
	removeAgent: false,
	park: false,
	refuse: false,
	// Sends once more.
	testNotifications: false,
};
