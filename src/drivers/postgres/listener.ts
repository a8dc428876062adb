import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { HintChannel } from "./hints.ts";
import type { Login } from "./login.ts";
import { clientConfigOf } from "./login.ts";

export interface Listener {
  close(): Promise<void>;
}

const longestPauseMs = 3_000;

/** Listens on a connection of its own and connects again when it is lost; `onHint` is also called after each reconnect, since hints may have been missed. */
export function createListener(
  options: Login & {
    readonly applicationName: string;
    readonly channels: readonly HintChannel[];
    readonly onHint: (channel: HintChannel, payloads: readonly string[]) => void;
    readonly onError: (error: Error) => void;
  },
): Listener {
  const closing = new AbortController();
  let open: pg.Client | undefined;

  const listenOnce = async (): Promise<void> => {
    const client = new pg.Client({
      ...clientConfigOf(options),
      application_name: options.applicationName,
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
    });
    const lost = Promise.withResolvers<void>();
    client.on("error", options.onError);
    client.on("end", lost.resolve);
    client.on("notification", ({ channel, payload }) =>
      options.onHint(channel as HintChannel, payload === undefined || payload === "" ? [] : payload.split(",")),
    );
    open = client;
    try {
      await client.connect();
      for (const channel of options.channels) await client.query(`listen ${channel}`);
      for (const channel of options.channels) options.onHint(channel, []);
      await lost.promise;
    } finally {
      open = undefined;
      await client.end().catch(() => undefined);
    }
  };

  const keepListening = async (): Promise<void> => {
    let pauseMs = 100;
    while (!closing.signal.aborted) {
      const began = performance.now();
      await listenOnce().catch(options.onError);
      pauseMs = performance.now() - began > 10_000 ? 100 : Math.min(longestPauseMs, pauseMs * 2);
      await sleep(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };
  const listening = keepListening();

  return {
    async close() {
      closing.abort();
      await open?.end().catch(() => undefined);
      await listening;
    },
  };
}
