import { readFileSync } from "node:fs";
import type { Operator } from "../../config/operator.ts";
import type { Methodology } from "../../methodology/methodology.ts";
import { createScrum } from "../../methodology/scrum.ts";

/** @returns the client of a methodology service that the operator names, by its name; each token is read anew for every call */
export function wireMethodology({ methodologies }: Operator): (receiver: string) => Methodology | undefined {
  const clients = new Map(
    Object.entries(methodologies).map(([name, { endpoint, tokenFile, tryTimeoutMs }]) => [
      name,
      createScrum({ endpoint, tryTimeoutMs, readToken: () => readFileSync(tokenFile, "utf8").trim() }),
    ]),
  );
  return (receiver) => clients.get(receiver);
}
