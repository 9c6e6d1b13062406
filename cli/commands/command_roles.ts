import type { Command } from "commander";
import { ACTIONS, type Action } from "../../schema/wire/permissions.ts";

/** What each command does at the coordinator: its help says which role that needs. */
export const COMMAND_ACTIONS: Readonly<Record<string, Action>> = {
	"token create": "tokens.create",
	"token list": "own.tokens",
	"token rotate": "own.tokens",
	"token revoke": "own.tokens",
	whoami: "own.tokens",
	run: "runs.submit",
	graph: "read",
	logs: "read",
	ls: "read",
	show: "read",
	explain: "read",
	why: "read",
	cancel: "runs.cancel",
	rerun: "runs.rerun",
	rm: "runs.delete",
	approve: "runs.approve",
	decline: "runs.approve",
	"artifacts ls": "read",
	"artifacts get": "read",
	"caches ls": "read",
	"caches show": "read",
	"caches rm": "caches.delete",
	"projects ls": "read",
	"projects show": "read",
	"projects create": "projects.create",
	"projects edit": "projects.change",
	"projects trigger": "runs.submit",
	"projects compare": "projects.compare",
	"projects undelivered": "read",
	"projects rm": "projects.create",
	"pipelines ls": "read",
	"pipelines push": "pipelines.change",
	"pipelines show": "read",
	"pipelines versions": "read",
	"pipelines diff": "read",
	"pipelines restore": "pipelines.change",
	"pipelines trigger": "runs.submit",
	"pipelines rm": "pipelines.change",
	"schedules ls": "read",
	"schedules add": "schedules.change",
	"schedules pause": "schedules.change",
	"schedules resume": "schedules.change",
	"schedules rm": "schedules.change",
	"deliveries ls": "read",
	"deliveries show": "read",
	"deliveries replay": "deliveries.replay",
	"secrets set": "secrets.manage",
	"secrets ls": "secrets.manage",
	"secrets rm": "secrets.manage",
	"secrets rotate": "secrets.rotate",
	"sessions ls": "own.sessions",
	"sessions end": "own.sessions",
	"agents list": "read",
	"agents show": "read",
	"agents disable": "agents.manage",
	"agents enable": "agents.manage",
	"agents drain": "agents.manage",
	"agents rotate": "agents.manage",
	"agents restrict": "agents.manage",
	"agents remove": "agents.manage",
	"queue show": "read",
	"queue pause": "queue.pause",
	"queue resume": "queue.pause",
	"agent-tokens create": "agents.manage",
	"agent-tokens list": "agents.manage",
	"agent-tokens revoke": "agents.manage",
};

/** Adds the role that a command needs to its description, and to those of the commands in it. */
export function addRoles(command: Command, name = command.name()): Command {
	for (const inner of command.commands) addRoles(inner, `${name} ${inner.name()}`);
	const action = COMMAND_ACTIONS[name];
	const role = action && ACTIONS[action].role;
	// Everybody is a viewer.
	if (role && role !== "viewer") command.description(`${command.description()} Needs the role ${role}.`);
	return command;
}
