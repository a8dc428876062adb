import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { folderOf } from "../../../local/up/state-folder.ts";
import { automation } from "../engines/stack.ts";

const scope = ["--tenant", "acme", "--org", "retail"];
const unitTests = {
  id: "unit",
  test: {
    argv: ["node", "--test", "--test-reporter=junit", "--test-reporter-destination=report.xml"],
    reportPath: "report.xml",
    format: "REPORT_FORMAT_JUNIT",
  },
};

/** Runs a command of the program against a stack, and expects that it succeeds. */
export async function must(dir: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await automation(...args, ...scope, "--state", dir);
  if (code !== 0) throw new Error(`automation ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/**
 * Publishes a persona that is one script, and a definition of its name that lets it work on the demo's repository, judged by the profile `worked`.
 * @param more - steps after the persona's; its unit tests unless told
 */
export async function publishWork(
  dir: string,
  name: string,
  script: string,
  { more = [unitTests], timeLimit }: { readonly more?: readonly object[]; readonly timeLimit?: string } = {},
): Promise<void> {
  const folder = join(dir, "scene", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "main.mjs"), script);
  const manifest = { id: name, version: "1", runtime: { command: { argv: ["node", "/persona/main.mjs"] } } };
  writeFileSync(join(folder, "persona.yaml"), stringify(manifest));
  const definition = {
    kind: "WorkflowDefinition",
    spec: {
      definitionId: name,
      version: "1",
      channel: "stable",
      plan: {
        ...(timeLimit === undefined ? {} : { timeLimit }),
        repository: { id: "webshop" },
        steps: [{ id: "work", agent: { persona: { id: name } } }, ...more],
      },
    },
  };
  const profile = {
    kind: "MethodologyProfile",
    spec: {
      id: "worked",
      version: "1",
      method: "scrum",
      requiredReferences: ["backlog_item"],
      gates: [
        {
          id: "worked",
          requirements: [{ id: "run-completed", kind: "agent-run", outcome: "COMPLETED", remedy: "Ask again." }],
        },
      ],
      completionGate: "worked",
    },
  };
  const file = join(dir, "scene", `${name}.yaml`);
  writeFileSync(file, [definition, profile].map((each) => stringify(each)).join("---\n"));
  await must(dir, "persona", "publish", folder);
  await must(dir, "apply", "-f", file);
}

/** Asks for a run of a definition. @returns its id */
export async function startWork(dir: string, definition: string): Promise<string> {
  const asked = ["--profile", "worked", "--definition", definition, "--work-kind", "story"];
  const about = ["--context", `{scrum: {product: webshop, sprint: S-7, backlogItems: [${definition}]}}`];
  return (JSON.parse(await must(dir, "run", "start", ...asked, ...about, "--json")) as { runId: string }).runId;
}

/** What boxes of a stack left behind: folders of runs, and processes that hold the run area open or were started from it. */
export function leftOfBoxes(dir: string): string[] {
  const { runArea } = folderOf(dir);
  const folders = readdirSync(join(runArea, "runs")).map((name) => `folder ${name}`);
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const text = (file: string) => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, "utf8");
        } catch {
          return ""; // it ended while it was looked at
        }
      };
      const isBox = text("cmdline").startsWith("bwrap") && text("cmdline").includes(runArea);
      return isBox || text("mountinfo").includes(`${runArea}/runs`) ? [`process ${pid} ${text("cmdline")}`] : [];
    });
  return [...folders, ...processes];
}
