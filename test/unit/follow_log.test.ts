import http from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../cli/connection.ts";
import { followLog } from "../../cli/follow/follow_log.ts";

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
async function follow(
	logs: Answer[],
	away: { server?: http.Server; port?: number } = {},
	onText: (told: string) => void = () => undefined,
) {
	const server = http.createServer((request, response) => {
		if (request.url !== "/log") return response.end(JSON.stringify({ state: logs.length > 0 ? "running" : "failed" }));
		const answer = logs.shift() ?? broken("1\n");
		answer(response);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	Object.assign(away, { server, port });
	onTestFinished(() => void server.close());
	let told = "";
	const said: string[] = [];
	const ended = await followLog<{ state: "running" | "failed" }>(
		new Connection({ server: `http://127.0.0.1:${port}`, apiToken: "token" }),
		{
			log: "/log",
			state: () => "/state",
			endsWithExit: true,
			isByLine: false,
			onText: (text) => {
				told += text;
				onText(told);
			},
			drained: async () => undefined,
			onWaiting: () => {
				said.push("waiting");
				server.listen(port, "127.0.0.1");
			},
			onIncomplete: () => said.push("incomplete"),
		},
	);
	return { ended, told, said };
}

test("a log stream that disconnects is followed to its end: no line twice, none lost, in any order", async () => {
	const { told, said } = await follow([
		broken("a | 1\nb | 1\na | 2\na | 2\nb | be"),
		broken(""),
		whole("b | 1", "b | begun", "a | 1", "a | 2", "a | 2", "a | 2", "::exit 1"),
	]);
	expect([told, said]).toEqual(["a | 1\nb | 1\na | 2\na | 2\nb | begun\na | 2\n", []]);
});

test("the output of a second attempt is shown again", async () => {
	const { told } = await follow([broken("install\ntest\n"), whole(":: attempt 2", "install", "test", "done", "::exit 1")]);
	expect(told).toBe("install\ntest\n:: attempt 2\ninstall\ntest\ndone\n");
});

test("only the last line of a log that is whole is the coordinator's own", async () => {
	const { told } = await follow([broken("x\n::exit 7\n"), whole("x", "::exit 7"), whole("x", "::exit 7", "y", "::exit 1")]);
	expect(told).toBe("x\n::exit 7\ny\n");
});

test("a coordinator that is away is waited for, which is said once", async () => {
	const away: { server?: http.Server } = {};
	const leave = () => void away.server?.close();
	const { told, said } = await follow([broken("1\n", leave), whole("1", "2", "::exit 0")], away);
	expect([told, said]).toEqual(["1\n2\n", ["waiting"]]);
});

test("a log that cannot be read although all is over is given up", async () => {
	const { ended, told, said } = await follow([broken("1\n")]);
	expect([ended, told, said]).toEqual([{ state: "failed" }, "1\n", ["incomplete"]]);
});

test("a line without a newline is shown as it comes, and goes on where it was after a disconnect", async () => {
	let goOn: () => void = () => undefined;
	const prompt: Answer = (response) => {
		response.write("1\nprogress 1\r");
		goOn = () => response.write("progress 2\r", () => response.destroy());
	};
	const { told } = await follow(
		[broken("1\n:: still running\n"), prompt, whole("1", "progress 1\rprogress 2\rdone\r", "2", "::exit 0")],
		{},
		(soFar) => soFar.endsWith("progress 1\r") && goOn(),
	);
	expect(told).toBe("1\n:: still running\nprogress 1\rprogress 2\rdone\r\n2\n");
});

test("nothing is added and nothing is removed, wherever the chunks end", async () => {
	const text = "a\r\n\r::exit 1\n:: x\n::exi\n\n::exit 5 \n::exit\t\nlast";
	const pieces: Answer = (response) => {
		void (async () => {
			for (const character of `${text}\n::exit 0\n`) await new Promise((resolve) => response.write(character, resolve));
			response.end();
		})();
	};
	expect((await follow([pieces])).told).toBe(`${text}\n`);
});

test("a rejected request is not repeated", async () => {
	const refused: Answer = (response) => {
		response.statusCode = 403;
		const body = { error: "forbidden", message: "No.", details: {}, suggestions: [], timestamp: "", request_id: "" };
		response.end(JSON.stringify(body));
	};
	await expect(follow([refused])).rejects.toThrow("No.");
});
