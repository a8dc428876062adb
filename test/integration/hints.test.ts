import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { HintChannel } from "../../src/drivers/postgres/hints.ts";
import type { Listener } from "../../src/drivers/postgres/listener.ts";
import { createListener } from "../../src/drivers/postgres/listener.ts";
import type { Notifier } from "../../src/drivers/postgres/notifier.ts";
import { createNotifier } from "../../src/drivers/postgres/notifier.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import { waitUntil } from "../support/worlds/api.ts";

let engines: BorrowedEngines;
let admin: pg.Client;
const open: (Listener | Notifier)[] = [];

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  admin = new pg.Client({ connectionString: engines.postgres.url });
  await admin.connect();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});
afterAll(async () => {
  await admin?.end();
  await engines?.stop();
});

interface Heard {
  readonly channel: HintChannel;
  readonly payloads: readonly string[];
}

/** A listener with all it heard, once it listens. */
async function listen(channels: readonly HintChannel[]): Promise<Heard[]> {
  const heard: Heard[] = [];
  const options = { url: engines.postgres.url, applicationName: "listens", channels, onError: () => undefined };
  open.push(createListener({ ...options, onHint: (channel, payloads) => heard.push({ channel, payloads }) }));
  await waitUntil(async () => heard.length === channels.length); // it wakes everybody when it begins
  heard.length = 0;
  return heard;
}
function notify(): { notifier: Notifier; errors: Error[] } {
  const errors: Error[] = [];
  const onError = (error: Error) => errors.push(error);
  const notifier = createNotifier({ url: engines.postgres.url, applicationName: "notifies", onError });
  open.push(notifier);
  return { notifier, errors };
}
const drop = (applicationName: string) =>
  admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", [applicationName]);

describe("a hint", () => {
  it("reaches who listens to its channel, and nobody else", async () => {
    const heard = await listen(["automation_release", "automation_commands"]);
    const { notifier } = notify();
    notifier.hint("automation_outbox");
    notifier.hint("automation_commands");
    await waitUntil(async () => heard.length > 0);
    expect(heard).toEqual([{ channel: "automation_commands", payloads: [] }]);
  });

  it("is packed with others of its channel, each payload once, however many they are", async () => {
    const heard = await listen(["automation_run_events"]);
    const { notifier, errors } = notify();
    const runs = Array.from({ length: 1_000 }, (_, n) => `acme/${n.toString().padStart(36, "0")}`);
    for (const run of [...runs, ...runs]) notifier.hint("automation_run_events", run);
    await waitUntil(async () => heard.flatMap(({ payloads }) => payloads).length >= runs.length);
    expect(heard.flatMap(({ payloads }) => payloads).sort()).toEqual(runs);
    expect(heard.length).toBeLessThan(10);
    expect(errors).toEqual([]);
  });

  it("is sent again after the notifier's connection was lost", async () => {
    const heard = await listen(["automation_release"]);
    const { notifier, errors } = notify();
    notifier.hint("automation_release", "1");
    await waitUntil(async () => heard.length === 1);
    await drop("notifies");
    await waitUntil(async () => errors.length > 0);
    notifier.hint("automation_release", "2");
    await waitUntil(async () => heard.some(({ payloads }) => payloads.includes("2")));
  });

  it("that may have been missed while the listener's connection was lost is made up for", async () => {
    const heard = await listen(["automation_release"]);
    await drop("listens");
    await waitUntil(async () => heard.length === 1);
    expect(heard).toEqual([{ channel: "automation_release", payloads: [] }]);
    const { notifier } = notify();
    notifier.hint("automation_release", "again");
    await waitUntil(async () => heard.length === 2);
  });
});
