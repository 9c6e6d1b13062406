import http from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../cli/connection.ts";
import { followLog } from "../../cli/followed_log.ts";

type Answer = (response: http.ServerResponse) => void;

/** Whole lines, and the end. */
const whole =
	(...lines: string[]): Answer =>
	(response) =>
		response.end(`${lines.join("\n")}\n`);

/** A connection that breaks behind this text. */
const broken =
	(text: string, then: () => void = () => undefined): Answer =>
	(response) => {
		response.flushHeaders();
		response.write(text, () => response.destroy());
		then();
	};

/** Follows a log that is answered for in turn with these; the state is running for as long as there are further ones. */
async function follow(logs: Answer[], away: { server?: http.Server; port?: number } = {}) {
	const server = http.createServer((request, response) => {
		if (request.url !== "/log") return response.end(JSON.stringify({ state: logs.length > 0 ? "running" : "failed" }));
		const answer = logs.shift() ?? broken("1\n");
		answer(response);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	Object.assign(away, { server, port });
	onTestFinished(() => void server.close());
	const told: string[] = [];
	const said: string[] = [];
	const ended = await followLog<{ state: "running" | "failed" }>(
		new Connection({ server: `http://127.0.0.1:${port}`, apiToken: "token" }),
		{
			log: "/log",
			state: () => "/state",
			lastLine: /^::exit \d+$/,
			onLine: (line) => void told.push(line),
			onWaiting: () => {
				said.push("waiting");
				server.listen(port, "127.0.0.1");
			},
			onIncomplete: () => said.push("incomplete"),
		},
	);
	return { ended, told, said };
}

test("a log that breaks off is told to its end: no line twice, none lost, whatever their order the next time", async () => {
	const { told, said } = await follow([
		broken("a | 1\nb | 1\na | 2\na | 2\nb | be"),
		broken(""),
		whole("b | 1", "b | begun", "a | 1", "a | 2", "a | 2", "a | 2", "::exit 1"),
	]);
	expect([told, said]).toEqual([["a | 1", "b | 1", "a | 2", "a | 2", "b | begun", "a | 2"], []]);
});

test("what another attempt writes once more is told once more", async () => {
	const { told } = await follow([broken("install\ntest\n"), whole(":: attempt 2", "install", "test", "done", "::exit 1")]);
	expect(told).toEqual(["install", "test", ":: attempt 2", "install", "test", "done"]);
});

test("only the last line of a log that is whole is the coordinator's own", async () => {
	const { told } = await follow([broken("x\n::exit 7\n"), whole("x", "::exit 7"), whole("x", "::exit 7", "y", "::exit 1")]);
	expect(told).toEqual(["x", "::exit 7", "y"]);
});

test("a coordinator that is away is waited for, which is said once", async () => {
	const away: { server?: http.Server } = {};
	const leave = () => void away.server?.close();
	const { told, said } = await follow([broken("1\n", leave), whole("1", "2", "::exit 0")], away);
	expect([told, said]).toEqual([["1", "2"], ["waiting"]]);
});

test("a log that cannot be read although all is over is given up", async () => {
	const { ended, told, said } = await follow([broken("1\n")]);
	expect([ended, told, said]).toEqual([{ state: "failed" }, ["1"], ["incomplete"]]);
});

test("a refusal is final", async () => {
	const refused: Answer = (response) => {
		response.statusCode = 403;
		const body = { error: "forbidden", message: "No.", details: {}, suggestions: [], timestamp: "", request_id: "" };
		response.end(JSON.stringify(body));
	};
	await expect(follow([refused])).rejects.toThrow("No.");
});
