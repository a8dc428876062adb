import { methodologies } from "./methodologies.ts";
import type { Receiver } from "./methodology.ts";
import { createReceiver, protocols } from "./receiver.ts";

/** A receiver as the operator file describes it. */
export interface ReceiverSettings {
  readonly method: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly tokenFile: string;
  readonly tryTimeoutMs: number;
}

/**
 * Makes the client of every receiver in the operator file, by name.
 * @param readToken - reads a token file; asked here, so that a missing file is found at once, and for each call
 * @throws Error that names every receiver whose method or protocol is unknown, or whose token can't be read
 */
export function createReceiverRegistry(
  settings: Readonly<Record<string, ReceiverSettings>>,
  readToken: (tokenFile: string) => string,
): ReadonlyMap<string, Receiver> {
  const registry = new Map<string, Receiver>();
  const faults: string[] = [];
  for (const [name, { method, protocol, endpoint, tokenFile, tryTimeoutMs }] of Object.entries(settings)) {
    const methodology = methodologies.get(method);
    if (methodology === undefined) faults.push(unknown(`${name}.method`, method, [...methodologies.keys()]));
    if (!isProtocol(protocol)) faults.push(unknown(`${name}.protocol`, protocol, Object.keys(protocols)));
    faults.push(...faultOfToken(`methodologies.${name}.tokenFile`, tokenFile, readToken));
    if (methodology === undefined || !isProtocol(protocol)) continue;
    const options = { methodology, protocol, endpoint, tryTimeoutMs, readToken: () => readToken(tokenFile) };
    registry.set(name, createReceiver(options));
  }
  if (faults.length > 0) throw new Error(faults.join("; "));
  return registry;
}

function faultOfToken(field: string, tokenFile: string, readToken: (tokenFile: string) => string): string[] {
  try {
    if (readToken(tokenFile) !== "") return [];
    return [`${field} "${tokenFile}" is empty; write the token into it`];
  } catch (error) {
    const why = error instanceof Error && "code" in error ? error.code : error;
    return [`${field} "${tokenFile}" can't be read (${why}); name a file that the api can read`];
  }
}

const isProtocol = (name: string): name is keyof typeof protocols => Object.hasOwn(protocols, name);

const unknown = (field: string, value: string, known: readonly string[]): string =>
  `methodologies.${field} "${value}" is unknown; use one of ${known.join(", ")}`;
