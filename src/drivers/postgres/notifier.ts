import pg from "pg";
import type { HintChannel } from "./hints.ts";
import type { Login } from "./login.ts";
import { clientConfigOf } from "./login.ts";

export interface Notifier {
  /** Wakes listeners soon; never waits and never throws. */
  hint(channel: HintChannel, payload?: string): void;
  close(): Promise<void>;
}

const shortestGapMs = 20;
const longestPayload = 7_000;

/**
 * Sends hints over a connection of its own: a NOTIFY inside a data transaction would make commits queue behind one lock.
 * At most 50 notifications a second; what comes meanwhile is packed, comma-separated, duplicates once.
 */
export function createNotifier(
  options: Login & { readonly applicationName: string; readonly onError: (error: Error) => void },
): Notifier {
  const waiting = new Map<HintChannel, Set<string>>();
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let sending = Promise.resolve();

  const connected = async (): Promise<pg.Client> => {
    if (client !== undefined) return client;
    const fresh = new pg.Client({
      ...clientConfigOf(options),
      application_name: options.applicationName,
      connectionTimeoutMillis: 3_000,
      query_timeout: 3_000,
    });
    fresh.on("error", (error) => {
      if (client === fresh) client = undefined;
      options.onError(error);
    });
    await fresh.connect();
    client = fresh;
    return fresh;
  };

  const flush = async (): Promise<void> => {
    const batch = [...waiting].flatMap(([channel, payloads]) =>
      pack(payloads).map((payload) => ({ channel, payload })),
    );
    waiting.clear();
    try {
      const open = await connected();
      await open.query(
        "select pg_notify(channel, payload) from unnest($1::text[], $2::text[]) as hint (channel, payload)",
        [batch.map(({ channel }) => channel), batch.map(({ payload }) => payload)],
      );
    } catch (error) {
      const broken = client;
      client = undefined; // lost hints are found by the listeners' own look
      broken?.end().catch(() => undefined);
      options.onError(error instanceof Error ? error : new Error(String(error)));
    }
  };

  return {
    hint(channel, payload = "") {
      const payloads = waiting.get(channel) ?? new Set();
      waiting.set(channel, payloads.add(payload));
      timer ??= setTimeout(() => {
        timer = undefined;
        sending = sending.then(flush);
      }, shortestGapMs);
    },
    async close() {
      clearTimeout(timer);
      await sending;
      await client?.end().catch(() => undefined);
    },
  };
}

function pack(payloads: ReadonlySet<string>): string[] {
  const packed: string[] = [];
  let current = "";
  for (const payload of payloads) {
    if (current !== "" && current.length + payload.length + 1 > longestPayload) {
      packed.push(current);
      current = "";
    }
    current = current === "" ? payload : `${current},${payload}`;
  }
  return [...packed, current];
}
