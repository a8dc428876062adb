import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Delivery, DeliverySource, SourceOptions } from "../../src/requests/delivery.ts";
import type { BusRecord, RecordSink } from "../../src/runs/outbox/bus-record.ts";

/** A real bus, and what its driver makes of it. */
export interface StartedBus {
  openSource(options: SourceOptions): DeliverySource;
  openSink(): RecordSink;
  /** Records that it keeps as they are. */
  readonly faithful: readonly BusRecord[];
  /** Of which several members of a group can have a part each. */
  makeTopic(name: string): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  /** Command line of a member of a group in a process of its own. It acknowledges one batch, takes the next and stands still; it prints the body of each. */
  memberProcess(topic: string, group: string): readonly string[];
  /** From `freeze` to `thaw` it accepts connections and answers nothing. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

const soon = { timeout: 60_000, interval: 50 };
const textOf = ({ body }: BusRecord) => Buffer.from(body ?? []).toString();
const aRecord = (key: string, text: string): BusRecord => ({ key, headers: [], body: Buffer.from(text) });
const numbered = (count: number, keys: number, name = "n") =>
  Array.from({ length: count }, (_, n) => aRecord(`k${n % keys}`, `${name}-${n}`));

/**
 * The two ports of a bus, source and sink, over one real implementation; each test has a topic of its own.
 * @param hasParts - whether a member reads parts of a topic side by side
 */
export function describeBus(
  name: string,
  { hasParts }: { readonly hasParts: boolean },
  start: () => Promise<StartedBus>,
): void {
  describe(`the bus ${name}`, () => {
    let bus: StartedBus;
    let sink: RecordSink;
    const readings: Reading[] = [];

    beforeAll(async () => {
      bus = await start();
      sink = bus.openSink();
      await sink.connect();
    });
    afterAll(async () => {
      await Promise.all(readings.map((each) => each.stop()));
      await sink?.close();
      await bus?.stop();
    });

    /** Reads until `stop`, and keeps what was acknowledged. */
    const read = (topic: string, change: Partial<SourceOptions> = {}): Reading => {
      const acknowledged: Delivery[] = [];
      const rejoins: unknown[] = [];
      const ended = new AbortController();
      const source = bus.openSource({
        topic,
        group: topic,
        batchSize: 10,
        canGoOn: async () => true,
        onPause: () => undefined,
        onRejoin: (error) => rejoins.push(error),
        now: () => new Date(),
        ...change,
        handle: async (deliveries) => {
          await change.handle?.(deliveries);
          acknowledged.push(...deliveries);
        },
      });
      const running = source.run(ended.signal);
      running.catch(() => undefined);
      const stop = async () => {
        ended.abort();
        await running;
      };
      const reading = { source, acknowledged, rejoins, running, stop };
      readings.push(reading);
      return reading;
    };
    const texts = ({ acknowledged }: Reading) => acknowledged.map(textOf);

    it("hands over what was sent: headers that repeat or are empty, no key, no body, large bodies", async () => {
      await bus.makeTopic("faithful");
      const sent = bus.faithful;
      for (const record of sent) await sink.send("faithful", [record]);
      const reading = read("faithful");
      await vi.waitFor(() => expect(reading.acknowledged).toHaveLength(sent.length), soon);
      const received = reading.acknowledged.map(({ key, headers, body }) => ({ key, headers, body }));
      expect(received.map(comparable).toSorted()).toEqual(sent.map(comparable).toSorted());
      expect(new Set(reading.acknowledged.map(({ position }) => position)).size).toBe(sent.length);
      for (const each of reading.acknowledged) expect(each).toMatchObject({ topic: "faithful", cluster: "test" });
      await reading.stop();
    });

    it("keeps records of one key in the order in which they were sent, whether or not one send waits for the other", async () => {
      await bus.makeTopic("order");
      const sent = numbered(300, 5);
      await Promise.all(Array.from({ length: 30 }, (_, n) => sink.send("order", sent.slice(n * 10, n * 10 + 10))));
      const reading = read("order");
      await vi.waitFor(() => expect(reading.acknowledged).toHaveLength(300), soon);
      expect(byKey(reading.acknowledged)).toEqual(byKey(sent));
      await reading.stop();
    });

    it("delivers again what was not acknowledged when a member died, and nothing that was", async () => {
      await bus.makeTopic("died");
      await sink.send("died", numbered(40, 1));
      const [command = "", ...args] = bus.memberProcess("died", "died");
      const member = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
      const printed: string[] = [];
      createInterface({ input: member.stdout }).on("line", (line) => printed.push(line));
      await vi.waitFor(() => expect(printed).toContain("standing still"), soon);
      member.kill("SIGKILL");
      await once(member, "exit");
      const done = printed.slice(0, printed.indexOf("acknowledged"));
      expect(done.length).toBeGreaterThan(0);
      const reading = read("died");
      const rest = numbered(40, 1).map(textOf).slice(done.length);
      await vi.waitFor(() => expect(texts(reading)).toEqual(rest), soon);
      await reading.stop();
    });

    it("ends in time when told to although a batch hangs, and that batch comes again to the next member", async () => {
      await bus.makeTopic("hung");
      await sink.send("hung", numbered(30, 1));
      const held = Promise.withResolvers<void>();
      let batches = 0;
      const first = read("hung", {
        handle: async () => {
          batches += 1;
          if (batches === 2) {
            held.resolve();
            await new Promise(() => undefined);
          }
        },
      });
      await held.promise;
      const stopped = first.stop().then(() => "stopped");
      expect(await Promise.race([stopped, sleep(60_000, "still running", { ref: false })])).toBe("stopped");
      expect(texts(first)).toHaveLength(10);
      const second = read("hung");
      const rest = numbered(30, 1).map(textOf).slice(10);
      await vi.waitFor(() => expect(texts(second)).toEqual(rest), soon);
      await second.stop();
    });

    it("shares a topic among the members of a group, and gives it whole to each group", async () => {
      await bus.makeTopic("shared");
      const members = [read("shared"), read("shared")];
      const bothHaveSome = async () => {
        await sink.send("shared", numbered(40, 40, "warm"));
        for (const { acknowledged } of members) expect(acknowledged.length).toBeGreaterThan(0);
      };
      await vi.waitFor(bothHaveSome, { ...soon, interval: 500 });
      const sent = numbered(400, 40, "shared");
      await sink.send("shared", sent);
      const shares = () => members.map((member) => texts(member).filter((text) => text.startsWith("shared")));
      await vi.waitFor(() => expect(shares().flat().toSorted()).toEqual(sent.map(textOf).toSorted()), soon);
      for (const share of shares()) expect(share.length).toBeGreaterThan(0);
      const other = read("shared", { group: "another" });
      await vi.waitFor(() => expect(texts(other)).toEqual(expect.arrayContaining(sent.map(textOf))), soon);
      await Promise.all([...members, other].map((each) => each.stop()));
    });

    it("gives the part of a member that leaves to the other, under traffic, and skips nothing", async () => {
      await bus.makeTopic("left");
      const [first, second] = [read("left"), read("left")];
      const sent: BusRecord[] = [];
      for (let round = 0; round < 10; round += 1) {
        const records = numbered(100, 20, `round-${round}`);
        await sink.send("left", records);
        sent.push(...records);
        if (round === 5) await first.stop();
      }
      const seen = () => [...new Set([...texts(first), ...texts(second)])].toSorted();
      await vi.waitFor(() => expect(seen()).toEqual(sent.map(textOf).toSorted()), soon);
      expect([...first.rejoins, ...second.rejoins]).toEqual([]);
      await second.stop();
    });

    it("pauses while a batch can't be handled, for longer than a session: it stays a member and goes on with that batch", async () => {
      await bus.makeTopic("paused");
      let isAway = true;
      const pauses: unknown[] = [];
      const reading = read("paused", {
        handle: async () => {
          if (isAway) throw new Error("the database is away");
        },
        canGoOn: async () => !isAway,
        onPause: (error) => pauses.push(error),
      });
      await sink.send("paused", numbered(50, 1));
      await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(0), soon);
      await sleep(12_000); // the outage itself
      expect([texts(reading), reading.rejoins]).toEqual([[], []]);
      expect(reading.source.standing()).toContain("the database is away");
      expect(reading.source.lagSeconds()).toBeGreaterThan(11);
      isAway = false;
      await vi.waitFor(() => expect(texts(reading)).toEqual(numbered(50, 1).map(textOf)), soon);
      expect(reading.rejoins).toEqual([]);
      await vi.waitFor(() => expect([reading.source.standing(), reading.source.lagSeconds()]).toEqual([true, 0]), soon);
      await reading.stop();
    });

    if (hasParts)
      it("says that a part of the topic pauses although the others of the same read went on", async () => {
        await bus.makeTopic("part");
        await sink.send("part", numbered(64, 16));
        const paused = Promise.withResolvers<void>();
        let isStuck = true;
        const reading = read("part", {
          handle: async (deliveries) => {
            if (!deliveries.some(({ key }) => key === "k0")) return await paused.promise;
            if (isStuck) throw new Error("the rows of one part are locked");
          },
          canGoOn: async () => !isStuck,
          onPause: () => paused.resolve(),
        });
        await vi.waitFor(() => expect(reading.acknowledged).not.toHaveLength(0), soon);
        expect(reading.source.standing()).toContain("the rows of one part are locked");
        isStuck = false;
        await vi.waitFor(() => expect(reading.acknowledged).toHaveLength(64), soon);
        await vi.waitFor(() => expect(reading.source.standing()).toBe(true), soon);
        await reading.stop();
      });

    it("has other positions in a topic that was deleted and made again, and delivers what stands there", async () => {
      await bus.makeTopic("remade");
      const reading = read("remade");
      await sink.send("remade", [aRecord("k", "same")]);
      await vi.waitFor(() => expect(reading.acknowledged).toHaveLength(1), soon);
      await bus.deleteTopic("remade");
      await bus.makeTopic("remade");
      await sink.send("remade", [aRecord("k", "same")]);
      await vi.waitFor(() => expect(reading.acknowledged).toHaveLength(2), soon);
      const [before, after] = reading.acknowledged;
      expect([before, after].map((each) => each && textOf(each))).toEqual(["same", "same"]);
      expect(after?.position).not.toBe(before?.position);
      await reading.stop();
    });

    it("fails a send that the bus refuses, says so in its health, and sends the next one", async () => {
      await bus.makeTopic("refusing");
      const own = bus.openSink();
      await own.connect();
      await expect(own.send("nobody-made-this", [aRecord("k", "lost")])).rejects.toThrow(/./);
      expect(own.healthy()).toBe(false);
      const tooLarge = { ...aRecord("k", ""), body: Buffer.alloc(3_000_000) };
      await expect(own.send("refusing", [tooLarge])).rejects.toThrow(/./);
      await own.send("refusing", [aRecord("k", "kept")]);
      expect(own.healthy()).toBe(true);
      await own.close();
      await expect(own.send("refusing", [aRecord("k", "late")])).rejects.toThrow(/closed/);
      const reading = read("refusing");
      await vi.waitFor(() => expect(texts(reading)).toEqual(["kept"]), soon);
      await reading.stop();
    });

    describe("that stands still for a while", () => {
      /** Sends until it is acknowledged, as the relay does. */
      const acknowledged = async (record: BusRecord): Promise<void> => {
        const send = () =>
          sink.send("frozen", [record]).then(
            () => true,
            () => false,
          );
        while (!(await send()));
      };
      const whileFrozen = async (seconds: number, work: () => Promise<unknown>[]): Promise<void> => {
        await bus.freeze();
        const working = work();
        await sleep(seconds * 1_000); // the outage itself
        bus.thaw();
        await Promise.all(working);
      };

      it("has what it acknowledged, in the order of its key: sends of several keys over 11 s, three times, and one over 45 s", async () => {
        await bus.makeTopic("frozen");
        const sent: BusRecord[] = [];
        const lastOf = new Map<string, Promise<void>>();
        // those of a key one after the other: behind a send that fails, which load may cause, no order is promised
        const send = (key: string) => {
          const record = aRecord(key, `${key}-${sent.length}`);
          sent.push(record);
          const sending = (lastOf.get(key) ?? Promise.resolve()).then(() => acknowledged(record));
          lastOf.set(key, sending);
          return sending;
        };
        for (let round = 0; round < 3; round += 1) {
          await send("A");
          await whileFrozen(11, () => ["A", "B", "C", "A", "B", "C"].map(send));
          await send("C");
        }
        // longer than a send is repeated for, so that the driver gives its client up
        const failures = vi.fn();
        const record = aRecord("D", "D-1");
        await whileFrozen(45, () => [
          sink.send("frozen", [record]).catch(async (error: unknown) => {
            failures(error);
            await acknowledged(record);
          }),
        ]);
        sent.push(record);
        await send("D");
        expect(failures).toHaveBeenCalledOnce();
        expect(sink.healthy()).toBe(true);
        const reading = read("frozen");
        const firsts = () => new Map([...byKey(reading.acknowledged)].map(([key, list]) => [key, [...new Set(list)]]));
        await vi.waitFor(() => expect(firsts()).toEqual(byKey(sent)), soon);
        await reading.stop();
      }, 240_000);
    });
  });
}

interface Reading {
  readonly source: DeliverySource;
  readonly acknowledged: readonly Delivery[];
  readonly rejoins: readonly unknown[];
  readonly running: Promise<void>;
  stop(): Promise<void>;
}

const byKey = (records: readonly BusRecord[]) =>
  new Map([...Map.groupBy(records, ({ key }) => key)].map(([key, list]) => [key, list.map(textOf)]));

const comparable = ({ key, headers, body }: BusRecord) =>
  JSON.stringify({
    key,
    headers: headers.map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
    body: body && Buffer.from(body).toString("hex"),
  });
