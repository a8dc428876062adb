import { describe, expect, it } from "vitest";
import type { Tell } from "../step-end.ts";
import { createListen } from "./listen.ts";

const listen = createListen();
const hearing = (tell: Tell = async () => undefined) => {
  const told: Parameters<Tell>[0][] = [];
  let forgeries = 0;
  const listener = listen({
    stepId: "build",
    secrets: ["a-secret"],
    onForged: () => (forgeries += 1),
    tell: async (event) => {
      told.push(event);
      await tell(event);
    },
  });
  return { listener, told, forgeries: () => forgeries };
};

describe("what a box says", () => {
  it("is heard aside: both streams and the channel, redacted, one box after the other", async () => {
    for (const round of [1, 2]) {
      const { listener, told, forgeries } = hearing();
      await listener.onStdout(Buffer.from(`\u001b[1mround ${round}, a-sec`));
      await listener.onStderr(Buffer.from("careful\n"));
      await listener.onStdout(Buffer.from("ret\n"));
      await listener.onChannel(Buffer.from('{"type":"message","text":"a-secret"}\n{"type":"verdict"}\n'));
      const { log, lastLine, said } = await listener.end();
      listener.close();
      expect(log.toString()).toBe(`careful\n\u001b[1mround ${round}, [redacted]\n`);
      expect(lastLine).toBe(`round ${round}, [redacted]`);
      expect(said).toMatchObject({ lastMessage: "[redacted]", forged: "verdict", results: [] });
      expect(told.map(({ message }) => message?.text)).toContain("[redacted]");
      expect(forgeries()).toBe(1);
    }
  });

  it("waits while nobody takes it, and lets another box speak", async () => {
    const taken = Promise.withResolvers<void>();
    const slow = hearing(() => taken.promise);
    let isTaken = false;
    const line = slow.listener.onStdout(Buffer.from("one\n")).then(() => (isTaken = true));
    for (let index = 0; index < 50; index += 1) {
      const quick = hearing();
      await quick.listener.onStdout(Buffer.from("two\n"));
      await quick.listener.end();
      quick.listener.close();
      expect(quick.told).toHaveLength(1);
    }
    expect(isTaken).toBe(false);
    taken.resolve();
    await line;
    await slow.listener.end();
    slow.listener.close();
  });

  it("costs the thread that beats for the worker little, however much is to be cleaned", async () => {
    const { listener } = hearing();
    const chunk = Buffer.from("\u001b]0;a-secre\u0007x\n".repeat(4_000));
    const [whole, own] = [process.cpuUsage(), process.threadCpuUsage()];
    for (let index = 0; index < 100; index += 1) await listener.onStdout(chunk);
    const [all, here] = [process.cpuUsage(whole), process.threadCpuUsage(own)];
    await listener.end();
    listener.close();
    expect(here.user + here.system).toBeLessThan((all.user + all.system) / 4);
  });

  it("fails with whoever is told, from then on", async () => {
    const { listener } = hearing(() => Promise.reject(new RangeError("the run is another's now")));
    await expect(listener.onStdout(Buffer.from("one\n"))).rejects.toThrow(RangeError);
    await expect(listener.onStderr(Buffer.from("two\n"))).rejects.toThrow("the run is another's now");
    await expect(listener.end()).rejects.toThrow("the run is another's now");
    listener.close();
  });
});
