import type { DurableObject } from "cloudflare:workers";
import type { Dispatcher } from "../queue/dispatcher.ts";

/** The public methods of the Dispatcher. */
export type DispatcherMethod = Exclude<keyof Dispatcher, keyof DurableObject>;

/**
 * Whether a method may be called again after a lost answer: the second call changes nothing and
 * returns the same answer. A new method must be listed here.
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
	// Set a state; the second call finds it set.
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
	// Carry an id, a number or a digest that identifies the second call.
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
	// The second call would fail, although the first one has succeeded.
	decline: false,
	declineRun: false,
	removeSchedule: false,
	revokeRegistrationToken: false,
	removeAgent: false,
	park: false,
	refuse: false,
	// Sends the notifications again.
	testNotifications: false,
};
