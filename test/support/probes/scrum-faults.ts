import { readFileSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";
import type { Board } from "../../../examples/scrum-service/board.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";

/** What Scrum holds against what ended: evidence once for each COMPLETED run, nothing final for any other, an impediment for each FAILED one. */
export async function scrumFaults(
  { scrum, dir }: Pick<RunningStack, "scrum" | "dir">,
  superuser: Pick<pg.Pool, "query">,
): Promise<string[]> {
  const token = readFileSync(join(dir, "tokens/scrum.token"), "utf8").trim();
  const response = await fetch(`${scrum?.url}/board`, { headers: { authorization: `Bearer ${token}` } });
  const { held, provisional } = (await response.json()) as Board;
  const { rows } = await superuser.query<{ run_id: string; status: string }>("select run_id, status from runs");
  const evidenced = held.increments.flatMap(({ evidence }) => evidence.map(({ runId }) => runId));
  const done = held.doneItems.flatMap(({ records }) => records.map(({ runId }) => runId));
  const impeded = held.impediments.flatMap(({ runIds }) => runIds);
  const times = (list: readonly string[], runId: string) => list.filter((each) => each === runId).length;
  return [
    ...provisional.map(({ key }) => `${key} is still provisional`),
    ...rows.flatMap(({ run_id, status }) => {
      const final = status === "COMPLETED" ? 1 : 0;
      const wanted = { evidenced: final, done: final, impeded: 1 - final };
      const found = { evidenced: times(evidenced, run_id), done: times(done, run_id), impeded: times(impeded, run_id) };
      return JSON.stringify(found) === JSON.stringify(wanted) ? [] : [`${run_id} ${status}: ${JSON.stringify(found)}`];
    }),
  ];
}
