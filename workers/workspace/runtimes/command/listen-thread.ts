import { constants, setPriority } from "node:os";
import type { MessagePort } from "node:worker_threads";
import { parentPort } from "node:worker_threads";
import { createRedactor } from "../redact.ts";
import type { Tell } from "../step-end.ts";
import type { Heard, ToListener, ToThread } from "./listen.ts";
import { createOutputLines } from "./output-lines.ts";
import { createRunEvents } from "./run-events.ts";

/** A thread that reads untrusted text, for one box after the other, from `begin` to `end`. It has a lower priority than the worker's main thread. */
if (parentPort !== null) {
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL); // on Linux this sets the priority of this thread only
  serve(parentPort);
}

function serve(port: MessagePort): void {
  const say = (message: ToListener) => port.postMessage(message);
  let hearing: ReturnType<typeof hear> | undefined;
  let telling = new Map<number, () => void>();
  let told = 0;
  const tell: Tell = (event) => {
    told += 1;
    const n = told;
    say({ kind: "tell", n, event });
    return new Promise((resolve) => telling.set(n, resolve));
  };

  port.on("message", async (message: ToThread) => {
    switch (message.kind) {
      case "begin":
        telling = new Map();
        hearing = hear({ ...message, tell, onForged: () => say({ kind: "forged" }) });
        return;
      case "told":
        telling.get(message.n)?.();
        telling.delete(message.n);
        return;
      case "chunk":
        await hearing?.[message.stream](
          Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.length),
        );
        say({ kind: "taken", n: message.n });
        return;
      case "end":
        if (hearing !== undefined) say({ kind: "heard", heard: await hearing.end() });
    }
  });
}

function hear(what: { stepId: string; secrets: readonly string[]; tell: Tell; onForged: () => void }) {
  const speech = { ...what, redactor: createRedactor(what.secrets), now: () => new Date() };
  const output = createOutputLines(speech);
  const events = createRunEvents(speech);
  return {
    onStdout: output.onStdout,
    onStderr: output.onStderr,
    onChannel: events.onChannel,
    async end(): Promise<Heard> {
      const said = await events.end();
      return { said, log: await output.end(), lastLine: output.lastLine() };
    },
  };
}
