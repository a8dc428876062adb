import type { Methodology } from "./methodology.ts";
import { scrum } from "./scrum.ts";

/** Every methodology that this version knows, by its method. Adding one is one entry here and one case of the oneof in `MethodologyContext`. */
export const methodologies: ReadonlyMap<string, Methodology> = new Map([scrum].map((each) => [each.method, each]));

/** @throws Error when this version knows no such methodology */
export function methodologyOf(method: string): Methodology {
  const found = methodologies.get(method);
  if (found === undefined)
    throw new Error(`method "${method}" is unknown; this version knows ${[...methodologies.keys()].join(", ")}`);
  return found;
}
