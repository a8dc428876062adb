import { createProgress } from "../src/cli/progress.mjs";
import { jsonText, liveLines, print } from "../src/cli/show/terminal.ts";

/** What `up` tells: lines for people, or JSON objects for programs. */
export interface Screen {
  /**
   * @param event - stable name of what happened
   * @param facts - what a program needs of it; no secrets
   */
  tell(event: string, line: string, facts?: Record<string, unknown>): void;
  /** Begins to show a task that takes its time; as events of the name `progress` where there is no terminal. */
  begin: Progress["begin"];
}

export type Progress = ReturnType<typeof createProgress>;

export function createScreen(json: boolean, clock: () => Date): Screen {
  const tell: Screen["tell"] = (event, line, facts = {}) =>
    print(json ? jsonText({ at: clock().toISOString(), event, message: line, ...facts }) : line);
  const { begin } = createProgress({ live: json ? undefined : liveLines, print: (line) => tell("progress", line) });
  return { tell, begin };
}
