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
 * @param openToken - reads a token file, here, so that a missing one is found at once; what it returns is asked for each call
 * @throws Error that names every receiver whose method or protocol is unknown, or whose token can't be read
 */
export function createReceiverRegistry(
  settings: Readonly<Record<string, ReceiverSettings>>,
  openToken: (receiver: string, tokenFile: string) => () => string,
): ReadonlyMap<string, Receiver> {
  const registry = new Map<string, Receiver>();
  const faults: string[] = [];
  for (const [name, { method, protocol, endpoint, tokenFile, tryTimeoutMs }] of Object.entries(settings)) {
    const methodology = methodologies.get(method);
    if (methodology === undefined) faults.push(unknown(`${name}.method`, method, [...methodologies.keys()]));
    if (!isProtocol(protocol)) faults.push(unknown(`${name}.protocol`, protocol, Object.keys(protocols)));
    const readToken = tokenOf(`methodologies.${name}.tokenFile`, () => openToken(name, tokenFile), faults);
    if (methodology === undefined || !isProtocol(protocol) || readToken === undefined) continue;
    const options = { methodology, protocol, endpoint, tryTimeoutMs, readToken };
    registry.set(name, createReceiver(options));
  }
  if (faults.length > 0) throw new Error(faults.join("; "));
  return registry;
}

function tokenOf(field: string, open: () => () => string, faults: string[]): (() => string) | undefined {
  try {
    return open();
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    faults.push(`${field}: ${why}; name a file that the api can read, with the token in it`);
    return undefined;
  }
}

const isProtocol = (name: string): name is keyof typeof protocols => Object.hasOwn(protocols, name);

const unknown = (field: string, value: string, known: readonly string[]): string =>
  `methodologies.${field} "${value}" is unknown; use one of ${known.join(", ")}`;
