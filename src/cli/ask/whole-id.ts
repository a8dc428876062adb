import { toJson } from "@bufbuild/protobuf";
import type { ApiClient } from "../../client/api-client.ts";
import { RunSchema } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { CliError } from "../cli-error.ts";
import { shortName, shortTime } from "../show/output.ts";

/** One of several ids that begin with the given text. */
interface Candidate {
  readonly id: string;
  readonly told: string;
}

const atMost = 10;
const whole = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const beginning = /^[0-9a-f-]{4,35}$/i;

const noRun = { code: "not_found", remedy: "`automation run list` shows them" };

/** For help texts: how an id may be abbreviated. */
export const byItsBeginning = "or its first 4 or more characters";

/** @throws CliError 2 that lists the candidates, when there are several */
export async function wholeRunId({ workflows }: ApiClient, text: string): Promise<string> {
  if (text === "")
    throw new CliError(2, 'run "" is not known here: it must be the id of a run of this tenant and org', noRun); // the list would take "" for no filter
  return wholeId("runs", text, async (idPrefix) => {
    const { runs } = await workflows.listWorkflowRuns({ idPrefix, pageSize: atMost + 1 });
    return runs.map((run) => {
      const { id = "", status, createdAt } = toJson(RunSchema, run);
      return { id, told: `${shortName(status, "RUN_STATUS_")} ${shortTime(createdAt)}` };
    });
  });
}

/** @throws CliError 2 that lists the candidates, when there are several */
export function wholeArtifactId(api: ApiClient, text: string): Promise<string> {
  return wholeId("artifacts", text, async (idPrefix) => {
    const { artifacts } = await api.artifacts.listArtifacts({ idPrefix });
    return artifacts.map(({ id, name, runId }) => ({ id, told: `${name} of run ${runId}` }));
  });
}

/** @throws CliError 2 that lists the candidates, when there are several */
export function wholeAttestationId({ governance }: ApiClient, text: string): Promise<string> {
  return wholeId("attestations", text, async (idPrefix) => {
    const { attestations } = await governance.listAttestations({ idPrefix, pageSize: atMost + 1 });
    return attestations.map(({ id, name, runId }) => ({ id, told: `${name} of run ${runId}` }));
  });
}

/** Text that is no beginning of an id is returned unchanged; the api will report it as unknown. */
async function wholeId(what: string, text: string, find: (prefix: string) => Promise<Candidate[]>): Promise<string> {
  if (whole.test(text) || !beginning.test(text)) return text;
  const found = await find(text.toLowerCase());
  const [only, ...others] = found;
  if (others.length === 0) return only?.id ?? text;
  const several = found.length > atMost ? `more than ${atMost}` : found.length;
  throw new CliError(2, `the ids of ${several} ${what} begin with ${text}`, {
    code: "ambiguous_id",
    remedy: "give more of the one you mean",
    details: found.slice(0, atMost).map(({ id, told }) => ({ field: id, rule: told })),
  });
}
