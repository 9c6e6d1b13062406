import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Job, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { Secret } from "../../schema/wire/secrets.ts";
import { encodingProgram, HIDDEN_ENCODINGS, SHOWN_ENCODINGS } from "../support/encodings.ts";
import { ADMIN_TOKEN, eventually, Program, TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const KEY = "-----BEGIN KEY-----\nZmlyc3QgbGluZSBvZiB0aGUga2V5\nc2Vjb25kIGxpbmUgb2YgdGhlIGtleQ\n-----END KEY-----\n";
const TOKEN = "t0ken/with+odd \"chars\" & 'quotes'";

const waitFor = (at: TestCoordinator, id: string) => at.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
const logOf = (at: TestCoordinator, job: string) => at.text(`/api/v1/jobs/${job}/log?format=raw`);
const put = (at: TestCoordinator, name: string, body: object) =>
	at.request(`/api/v1/secrets/${name}`, { method: "PUT", body: JSON.stringify(body) });

/** The files under these folders in which one of the texts stands. */
function filesWith(folders: readonly string[], texts: readonly string[]): string[] {
	const wanted = texts.map((text) => Buffer.from(text));
	return folders.flatMap((folder) =>
		readdirSync(folder, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => path.join(entry.parentPath, entry.name))
			.filter((file) => {
				const content = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
				return wanted.some((text) => content.includes(text));
			}),
	);
}

describe("a job", () => {
	let coordinator: TestCoordinator;
	let agentFolder: string;

	beforeAll(async () => {
		const cleanUps: (() => void | Promise<void>)[] = [];
		const atEnd = (clean: () => void | Promise<void>) => void cleanUps.push(clean);
		coordinator = await borrowCoordinator(atEnd);
		agentFolder = path.join(temporaryFolder(atEnd), "agent");
		await coordinator.agent("one", { workDir: agentFolder });
		await put(coordinator, "deploy_key", { value: KEY });
		await put(coordinator, "token", { value: TOKEN, project: "web" });
		return async () => {
			for (const clean of cleanUps.reverse()) await clean();
		};
	});

	test("shows no secret in any of twenty encodings; what is not hidden is known and documented", async () => {
		const account = {
			type: "service_account",
			private_key: "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
			note: "für <alle> & jeden",
			nested: [{ password: "nested/pass+word" }],
		};
		const values = { PLAIN: TOKEN, SHORT: "hunter22", KEY, ACCOUNT: JSON.stringify(account, null, 2) };
		for (const [name, value] of Object.entries(values)) await put(coordinator, name.toLowerCase(), { value });
		onTestFinished(async () => {
			for (const name of Object.keys(values)) await coordinator.request(`/api/v1/secrets/${name.toLowerCase()}`, { method: "DELETE" });
		});
		const reformatted = [
			"import json, os",
			"account = json.loads(os.environ['ACCOUNT'])",
			"print('compact', json.dumps(account, separators=(',', ':')))",
			"print('spaced', json.dumps(account))",
			"print('pretty', json.dumps(account, indent=4, ensure_ascii=False))",
			"for value in [account['private_key'], account['note'], account['nested'][0]['password'], account['type']]: print('value', json.dumps(value), value)",
		].join("\n");
		const secrets = Object.fromEntries(Object.keys(values).map((name) => [name, name.toLowerCase()]));
		const steps = [encodingProgram(Object.keys(values)), reformatted].map((run) => ({ run, shell: "python3" }));
		const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline: { jobs: { show: { secrets, steps } } } });
		const run = await waitFor(coordinator, id);
		expect(run.state).toBe("succeeded");
		const log = await logOf(coordinator, (run.jobs[0] as Run["jobs"][0]).id);
		for (const variable of Object.keys(values)) {
			for (const [encodings, isHidden] of [
				[HIDDEN_ENCODINGS, true],
				[SHOWN_ENCODINGS, false],
			] as const) {
				for (const name of Object.keys(encodings)) {
					const shown = log.split(`${variable}|${name}|BEGIN\n`)[1]?.split("\nEND\n")[0] ?? "";
					const isMasked = shown.includes("***");
					// Of base64 a few bits at the edges are somebody else's, too; the names of JSON's keys are not secret.
					const rest = shown.replaceAll("***", "").replace(/[\s"'{}[\],:\\]|type|private_key|note|nested|password/g, "");
					expect([variable, name, isMasked && rest.length < 24]).toEqual([variable, name, isHidden]);
				}
			}
		}
		for (const line of ["compact", "spaced"]) expect(log).toContain(`\n${line} ***\n`);
		expect(log.split("\npretty ")[1]).not.toMatch(/service_account|MIIE|alle|pass\+word/);
		expect(log.match(/^value .*$/gm)?.join("\n")).not.toMatch(/service_account|MIIE|alle|pass\+word/);
	});

	test("is masked as docs/explanation/security.md says: the lists there are those that are tested", () => {
		const text = readFileSync(path.resolve(import.meta.dirname, "../../docs/explanation/security.md"), "utf8");
		const listUnder = (heading: string) =>
			(text.split(`### ${heading}\n`)[1] ?? "")
				.split(/^#/m)[0]
				?.split("\n")
				.flatMap((line) => (line.startsWith("- ") ? [line.slice(2).replaceAll("`", "")] : []));
		expect(listUnder("Hidden")).toEqual(Object.keys(HIDDEN_ENCODINGS));
		expect(listUnder("Not hidden")).toEqual(Object.keys(SHOWN_ENCODINGS));
	});

	test("gets what it asks for, and nobody sees it: in no form, in no log, report, summary, output or file", async () => {
		const pipeline = `
jobs:
  use:
    secrets: { DEPLOY_KEY: deploy_key, TOKEN: token }
    outputs: [told]
    reports: { junit: report.xml }
    steps:
      - printf '%s' "$DEPLOY_KEY" | sha256sum; printf '%s' "$TOKEN" | sha256sum
      - printf '%s\\n' "$DEPLOY_KEY" "$TOKEN"; printf '%s' "$TOKEN" | base64; printf 'x%s' "$DEPLOY_KEY" | base64 -w0; echo; echo "$DEPLOY_KEY" | base64
      - python3 -c 'import os,sys,time; t=os.environ["TOKEN"]; [(sys.stdout.write(t[i:i+5]), sys.stdout.flush(), time.sleep(0.1)) for i in range(0, len(t), 5)]'
      - python3 -c 'import json,os,urllib.parse as u; t=os.environ["TOKEN"]; print(json.dumps(t), u.quote(t, safe=""), u.quote_plus(t))'
      - echo "told=$TOKEN" >> $CI_OUTPUT; echo "the token is $TOKEN" >> $CI_SUMMARY
      - python3 -c 'import os; from xml.sax.saxutils import quoteattr, escape; t=os.environ["TOKEN"]; open("report.xml","w").write("<testsuite><testcase name=%s><system-out>%s</system-out></testcase></testsuite>" % (quoteattr("uses "+t), escape(t)))'
      - echo "$TOKEN" > .git-credentials; echo done
  other:
    needs: use
    env: { TOLD: "\${{ needs.use.outputs.told }}" }
    steps: ['echo "[$TOLD] [$TOKEN] [$DEPLOY_KEY]"']
`;
		const { id, notices } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline, project: "web" });
		expect(notices).toEqual([]);
		const run = await waitFor(coordinator, id);
		expect([run.state, run.jobs.map(({ reason }) => reason)]).toEqual(["succeeded", [null, null]]);
		const [use, other] = run.jobs as [Run["jobs"][0], Run["jobs"][0]];
		const log = await logOf(coordinator, use.id);
		const digest = (value: string) => createHash("sha256").update(value).digest("hex");
		expect(log).toContain(digest(KEY));
		expect(log).toContain(digest(TOKEN));
		expect(log).toContain("done");
		expect(await logOf(coordinator, other.id)).toContain("[***] [] []");
		const told = [KEY.split("\n")[1] as string, KEY.split("\n")[2] as string, TOKEN, "t0ken/with", "t0ken%2Fwith"];
		for (const text of told) expect(log).not.toContain(text);
		const job = await coordinator.text(`/api/v1/jobs/${use.id}`);
		const tests = await coordinator.text(`/api/v1/runs/${id}/tests?state=passed`);
		expect(tests).toContain("***");
		for (const text of [...told, JSON.stringify(TOKEN).slice(1, -1)]) expect(job + tests).not.toContain(text);
		// Nothing of the workspace is left; the coordinator's own folder holds them encrypted.
		await eventually(() => readdirSync(path.join(agentFolder, "jobs")).length === 0, "the folder of the job to be removed");
		const encoded = told.flatMap((text) => [text, Buffer.from(text).toString("base64").replace(/=+$/, "").slice(0, -1)]);
		expect(filesWith([coordinator.data, agentFolder], encoded)).toEqual([]);
		expect(coordinator.program.output).not.toContain("t0ken");
	});

	test("cannot save a file with a secret in its path", async () => {
		const pipeline = {
			secrets: { TOKEN: "token" },
			artifacts: { save: ["out"] },
			steps: ['mkdir -p "out/$TOKEN"; touch "out/$TOKEN/file" out/other'],
		};
		const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline, project: "web" });
		const [job] = (await waitFor(coordinator, id)).jobs;
		expect([job?.state, job?.reason]).toEqual([
			"failed",
			{ code: "artifacts_failed", text: expect.stringMatching(/^A file was not saved: out\/\*\*\*\/file has a secret in its path/) },
		]);
		expect(await coordinator.get(`/api/v1/jobs/${job?.id}/artifacts`)).toMatchObject({ items: [{ path: "out/other" }] });
	});

	test("that asks for a missing secret gets a notice at the submission, and ends errored, once", async () => {
		const body = { pipeline: "jobs: { a: { retry: { attempts: 3, on: [failed] }, secrets: { T: token }, steps: [env] } }" };
		const { id, notices } = await coordinator.post<SubmittedRun>("/api/v1/runs", body);
		expect(notices).toEqual(["Job a uses secret token, which does not exist. Set it with: windlass secrets set token --project adhoc"]);
		const run = await waitFor(coordinator, id);
		expect([run.state, run.jobs[0]?.reason]).toEqual([
			"errored",
			{ code: "secret_unavailable", text: "Project adhoc has no secret token. Set it with: windlass secrets set token --project adhoc" },
		]);
		expect(run.jobs[0]?.attempts).toHaveLength(1);
	});

	test("gets the token of its project's forge by the name forge: masked, and only where the project has one", async () => {
		await coordinator.post("/api/v1/projects", { name: "forged", forge_token: "bot" });
		await put(coordinator, "bot", { value: "ghp_the-token-of-the-forge", project: "forged" });
		const pipeline = { secrets: { GH_TOKEN: "forge" }, steps: ['test ${#GH_TOKEN} = 26; echo "token: $GH_TOKEN"'] };
		const given = await coordinator.post<SubmittedRun>("/api/v1/runs", { project: "forged", pipeline });
		expect(given.notices).toEqual([]);
		const ran = await waitFor(coordinator, given.id);
		expect([ran.state, await logOf(coordinator, ran.jobs[0]?.id ?? "")]).toEqual(["succeeded", expect.stringContaining("token: ***")]);
		const without = await coordinator.post<SubmittedRun>("/api/v1/runs", { project: "web", pipeline });
		const advice = "Name the secret with the token of its forge: windlass projects edit web --forge-token NAME";
		expect(without.notices).toEqual([expect.stringContaining(advice)]);
		const ended = await waitFor(coordinator, without.id);
		expect(ended.jobs[0]?.reason).toEqual({ code: "secret_unavailable", text: expect.stringContaining(advice) });
		const reserved = await put(coordinator, "forge", { value: "any-other-value" });
		expect([reserved.status, await reserved.text()]).toEqual([422, expect.stringContaining("Choose another name")]);
	});

	test("finds none of the secrets of others in its environment", async () => {
		const { jobs, id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { run: "env", project: "web" });
		await waitFor(coordinator, id);
		expect(await logOf(coordinator, jobs[0]?.id ?? "")).not.toMatch(/deploy|token|\*\*\*/i);
	});

	test.each([
		["short", { value: "five5" }, "fewer than 6 bytes"],
		["long", { value: "x".repeat(64 * 1024 + 1) }, "more than 64 KiB"],
		["nul", { value: "abc\0defg" }, "NUL byte"],
		["torn", { value: "abcdef\ud800" }, "not valid Unicode"],
		["none", {}, "value"],
		["project", { value: "abcdefgh", project: "Not A Name" }, "project"],
		["with blanks", { value: "abcdefgh" }, "the name of a secret"],
	])("a secret that cannot be one is refused with the reason: %s", async (name, body, message) => {
		const answer = await put(coordinator, encodeURIComponent(name), body);
		const { error, message: told } = (await answer.json()) as { error: string; message: string };
		expect([answer.status, error]).toEqual([422, "validation_failed"]);
		expect(told).toContain(message);
		expect(told).not.toContain("five5");
	});

	test("commands set, list, remove and rotate; none of them gives a value", async () => {
		const windlass = async (...args: string[]) => {
			const program = new Program([...args, "--server", coordinator.url], { WINDLASS_API_TOKEN: ADMIN_TOKEN });
			onTestFinished(() => program.kill());
			return { code: await program.exited, output: program.output };
		};
		const file = path.join(temporaryFolder(), "value");
		writeFileSync(file, "from a file\n");
		expect(await windlass("secrets", "set", "of_file", "--file", file, "--project", "p1")).toEqual({
			code: 0,
			output: "Secret of_file is set for project p1.\n",
		});
		const { output: listed } = await windlass("secrets", "ls", "--project", "p1", "-o", "json");
		expect((JSON.parse(listed) as Secret[]).map(({ name, project }) => [name, project])).toEqual([
			["deploy_key", null],
			["of_file", "p1"],
		]);
		expect((await windlass("secrets", "rotate")).output).toMatch(/^\d+ secrets encrypted with a new key\.\n$/);
		const { id, jobs } = await coordinator.post<SubmittedRun>("/api/v1/runs", {
			pipeline: 'secrets: { V: of_file }\nsteps: [\'printf "%s" "$V" | wc -c\']',
			project: "p1",
		});
		expect((await waitFor(coordinator, id)).state).toBe("succeeded");
		expect(await logOf(coordinator, jobs[0]?.id ?? "")).toContain("12\n");
		expect((await windlass("secrets", "rm", "of_file", "--project", "p1")).output).toBe("Secret of_file is removed.\n");
		expect((await windlass("secrets", "rm", "of_file", "--project", "p1")).code).toBe(1);
	});
});

describe("the master key", () => {
	test("lies apart; another one is taken up at the next start; without the right one nothing starts with a secret, and it waits", async () => {
		const first = await TestCoordinator.start();
		const file = path.join(first.data, "master.key");
		expect(statSync(file).mode & 0o777).toBe(0o600);
		await put(first, "token", { value: TOKEN });
		first.program.signal("SIGTERM");
		await first.program.exited;
		const renew = new Program(["secrets", "new-master-key", "--data", first.data]);
		expect(await renew.exited).toBe(0);
		const other = { WINDLASS_MASTER_KEY: Buffer.alloc(32, 9).toString("base64") };
		const aside = await TestCoordinator.start({ data: first.data, port: first.port, environment: other });
		aside.program.signal("SIGTERM");
		await aside.program.exited;
		// Started with a key of the environment, it has not encrypted anything anew: the key before is still needed.
		expect(existsSync(`${file}.before`)).toBe(true);
		const second = await TestCoordinator.start({ data: first.data, port: first.port });
		expect(existsSync(`${file}.before`)).toBe(false);
		const agent = await second.agent("one");
		const submission = { pipeline: 'secrets: { T: token }\nsteps: [\'printf "%s" "$T" | wc -c\']' };
		const run = await waitFor(second, (await second.post<Run>("/api/v1/runs", submission)).id);
		expect(run.state).toBe("succeeded");
		second.program.signal("SIGTERM");
		await second.program.exited;

		const right = readFileSync(file, "utf8");
		writeFileSync(file, `${Buffer.alloc(32, 7).toString("base64")}\n`);
		const third = await TestCoordinator.start({ data: first.data, port: first.port });
		const waiting = await third.post<Run>("/api/v1/runs", submission);
		const job = await eventually(async () => {
			const found = await third.get<Job>(`/api/v1/jobs/${waiting.jobs[0]?.id}`);
			return found.state === "blocked" && found;
		}, "the job to wait");
		expect(job.reason).toEqual({
			code: "secrets",
			text: "The secrets cannot be decrypted, because the master key is a different one.",
		});
		third.program.signal("SIGTERM");
		await third.program.exited;

		writeFileSync(file, right);
		const fourth = await TestCoordinator.start({ data: first.data, port: first.port });
		const ended = await waitFor(fourth, waiting.id);
		expect(ended.state).toBe("succeeded");
		await agent.kill();
	});

	test("of the environment encrypts secrets, and the folder gets none", async () => {
		const coordinator = await TestCoordinator.start({ environment: { WINDLASS_MASTER_KEY: Buffer.alloc(32, 9).toString("base64") } });
		await put(coordinator, "token", { value: TOKEN });
		expect(readdirSync(coordinator.data).filter((name) => name.startsWith("master.key"))).toEqual([]);
	});

	test("of the environment must be one, and its value is not shown", async () => {
		const program = new Program(["serve", "--data", path.join(temporaryFolder(), "data"), "--port", "0"], {
			WINDLASS_MASTER_KEY: "not-a-key-but-secret",
		});
		onTestFinished(() => program.kill());
		expect(await program.exited).toBe(2);
		expect(program.output).toContain("WINDLASS_MASTER_KEY must hold 32 bytes");
		expect(program.output).not.toContain("not-a-key");
	});
});
