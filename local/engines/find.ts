/** How a search for an engine tells what it does, and how it is ended. */
export interface Find {
  /** One line that stays. */
  say(line: string): void;
  /** Begins to tell of work that takes its time. */
  begin(name: string, step: string): Task;
  signal: AbortSignal;
}

/** Work that goes on. */
export interface Task {
  /** @param text - how far it is */
  step(text: string): void;
  /** @param text - what was reached; nothing is told without it */
  end(text?: string): void;
}
