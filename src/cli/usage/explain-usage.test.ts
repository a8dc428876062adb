import { Command } from "commander";
import { describe, expect, it } from "vitest";
import type { CliError } from "../cli-error.ts";
import { registerCommands } from "../commands.ts";
import { toCliError } from "../report-failure.ts";
import { commandOutput } from "../show/terminal.ts";
import { explainUsage } from "./explain-usage.ts";

/** What the command line answers to words that can't be done. */
async function fault(...words: string[]): Promise<CliError> {
  const program = new Command("automation").configureOutput(commandOutput);
  await registerCommands(program);
  explainUsage(program);
  const error = await program.parseAsync(words, { from: "user" }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return toCliError(error);
}
const scope = ["--tenant", "acme", "--org", "retail"];
const fields = ({ details }: CliError) => details.map(({ field }) => field);

describe("a command that can't be done as it is typed", () => {
  it("names every argument and option that is missing at once, with an example", async () => {
    expect(await fault("artifact", "list")).toMatchObject({
      exitCode: 2,
      code: "usage",
      fault: "--tenant, --org and --run are required",
    });
    expect((await fault("run", "describe")).message).toMatch(/^<run>, --tenant and --org are required; .*--help/);
    expect((await fault("apply", ...scope)).remedy).toBe(
      "for example `automation apply -f examples/demo/declarations --tenant acme --org retail`",
    );
  });

  it("wants a tenant for a token, but for one of role platform", async () => {
    const state = ["--subject", "me", "--state", "/nowhere"];
    expect(fields(await fault("token", "--role", "viewer", ...state))).toEqual(["--tenant", "--org"]);
    for (const words of [
      ["token", "--role", "platform", ...state],
      ["delivery", "list", "--state", "/nowhere"],
    ])
      expect((await fault(...words)).message).toContain("no local stack is running");
  });

  it("takes an empty variable for none", async () => {
    expect(fields(await fault("run", "list", "--tenant", "", "--org", "retail"))).toEqual(["--tenant"]);
  });

  it("names what `run start` lacks and what contradicts, at once", async () => {
    expect(fields(await fault("run", "start"))).toEqual(["--tenant", "--org", "--profile", "--context"]);
    expect(fields(await fault("run", "start", ...scope, "--ref", "main"))).toEqual(["--profile", "--context", "--ref"]);
    expect(fields(await fault("run", "start", ...scope, "-f", "-", "--goal", "x", "--context", "{}"))).toEqual([
      "--context",
      "--goal",
    ]);
  });

  it.each([
    ["{}", /exactly one field is required in oneof/, "--context:1"],
    ["{scrum: {sprnit: S-7}}", /ScrumContext has no such field; use one of product, sprint/, "scrum.sprnit"],
    ["{scrum: {sprint: 7}}", /expected string/, "scrum.sprint"],
    ["{scrum: ", /./, ""],
    ["{kanban: {}}", /use one of scrum/, "kanban"],
    ["", /exactly one document, a MethodologyContext/, ""],
  ])("says what is wrong with the context %j, and where", async (context, rule, field) => {
    const refused = await fault("run", "start", ...scope, "--profile", "team", "--context", context);
    expect(refused.exitCode).toBe(2);
    expect(refused.message).toMatch(rule);
    expect(refused.message).toContain(field);
  });

  it.each([
    [["rnu"], "unknown command 'rnu'", /did you mean run\?/],
    [["run", "lst"], "unknown command 'lst'", /did you mean list\?.*`automation run --help`/],
    [["run", "list", ...scope, "--stat"], "unknown option '--stat'", /did you mean --state\?/],
    [["run", "list", ...scope, "--limit", "0"], /--limit.*whole number from 1 to/, /--help/],
    [["run", "describe", "a", "b", ...scope], /too many arguments/, /--help/],
  ])("says what was meant: %j", async (words, what, remedy) => {
    const said = await fault(...words);
    expect(said).toMatchObject({ exitCode: 2, code: "usage" });
    expect(said.fault).toMatch(what);
    expect(said.remedy).toMatch(remedy);
  });

  it.each(["foo", "ftp://host", "localhost:8080", "http://user:secret@host", "http://host/?a=b"])(
    "says what an address of the api is: %j",
    async (url) => {
      const said = await fault("run", "list", ...scope, "--token", "x", "--api-url", url);
      expect(said).toMatchObject({ exitCode: 2, code: "usage", remedy: expect.stringMatching(/^for example http:/) });
    },
  );

  it.each(["", "a\nb", "a b", "é"])("refuses a token that no header can carry: %j", async (token) => {
    const said = await fault("run", "list", ...scope, "--token", token, "--api-url", "http://127.0.0.1:9");
    expect(said).toMatchObject({ exitCode: 2, code: "usage" });
  });
});
