/** How a search for an engine reports its progress, and how it is aborted. */
export interface Find {
  /** One line that stays. */
  say(line: string): void;
  /** Begins to show a longer task. */
  begin(name: string, step: string): Task;
  signal: AbortSignal;
}

/** Work that goes on. */
export interface Task {
  /** @param text - how far it is */
  step(text: string): void;
  /** @param text - the result; without it nothing is printed */
  end(text?: string): void;
}
