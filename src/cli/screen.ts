import { jsonText, print } from "./terminal.ts";

/** What `up` tells: lines for people, or JSON objects for programs. */
export interface Screen {
  /**
   * @param event - stable name of what happened
   * @param facts - what a program needs of it; no secrets
   */
  tell(event: string, line: string, facts?: Record<string, unknown>): void;
}

export function createScreen(json: boolean, clock: () => Date): Screen {
  return {
    tell: (event, line, facts = {}) =>
      print(json ? jsonText({ at: clock().toISOString(), event, message: line, ...facts }) : line),
  };
}
