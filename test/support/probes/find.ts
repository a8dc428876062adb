import type { Find } from "../../../local/engines/find.ts";

/** A search for an engine that tells by lines, of which the test may keep what it needs. */
export function findBy(signal: AbortSignal, say: (line: string) => void = () => undefined): Find {
  const begin = (name: string, step: string) => {
    say(`${name}: ${step}`);
    return { step: (text: string) => say(`${name}: ${text}`), end: (text?: string) => text !== undefined && say(text) };
  };
  return { say, begin, signal };
}
