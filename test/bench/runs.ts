import { Client, Connection } from "@temporalio/client";
import { bundleWorkflowCode, NativeConnection, Worker } from "@temporalio/worker";
import pg from "pg";
import type { UpState } from "../../local/up/running-stack.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { requestTopic } from "../../src/runs/outbox/topics.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { muteTemporal } from "../support/engines/silent-temporal.ts";
import { brokersOf, newStateDir, removeStateDir, startStack } from "../support/engines/stack.ts";
import { untilCount } from "./bench-world.ts";
import { show, spreadOf, table } from "./statistics.ts";

const perRound = 100;
const rounds = 3;

/**
 * A whole run without steps, from the event on the bus to COMPLETED, in the local stack with all its processes; in turn with a bare workflow that has one regular activity, on the same server.
 * The plan's hand-off is made to the example Scrum service, so that its time is in our figure.
 */
export async function benchRuns(): Promise<void> {
  muteTemporal();
  const dir = newStateDir();
  const stack = await startStack(dir, "--demo");
  try {
    const state = stack.state as unknown as UpState;
    const superuser = new pg.Pool({ connectionString: state.postgres.url, max: 2 });
    const bare = await startBare(state.temporal);
    const producer = createKafkaSink({ brokers: brokersOf(state), clientId: "bench" });
    await producer.connect();
    let sent = 0;
    const whole = async () => {
      const events = Array.from({ length: perRound }, () => runOf(`bench-${sent++}`));
      await producer.send(requestTopic, events);
      await untilCount(
        superuser,
        "select count(*) from runs where event_id like 'bench-%' and status = 'COMPLETED'",
        sent,
      );
    };
    try {
      await bare.round();
      await whole();
      const pairs: { readonly raw: number; readonly ours: number }[] = [];
      for (let n = 0; n < rounds; n += 1) {
        console.error(`runs: round ${n + 1} of ${rounds}`);
        const raw = await rateOf(bare.round);
        const ours = await rateOf(whole);
        pairs.push({ raw, ours });
      }
      console.log(
        table(
          [`${perRound} at once`, "per second: median (spread)", "÷ bare, by pairs"],
          [
            ["bare workflow with one regular activity", show(spreadOf(pairs.map(({ raw }) => raw)), 1), ""],
            [
              "whole run without steps",
              show(spreadOf(pairs.map(({ ours }) => ours)), 1),
              show(spreadOf(pairs.map(({ ours, raw }) => ours / raw)), 2),
            ],
          ],
        ),
      );
    } finally {
      await Promise.allSettled([producer.close(), superuser.end(), bare.stop()]);
    }
  } finally {
    await stack.stop();
    removeStateDir(dir);
  }
}

async function rateOf(round: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await round();
  return perRound / ((performance.now() - began) / 1_000);
}

/** A worker and a client that do nothing but run one empty activity in each workflow. */
async function startBare({ address, namespace }: UpState["temporal"]) {
  const taskQueue = "bench-bare";
  const [native, plain] = await Promise.all([NativeConnection.connect({ address }), Connection.connect({ address })]);
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: new URL("./bare-workflow.ts", import.meta.url).pathname,
  });
  const activities = { nothing: async () => undefined };
  const worker = await Worker.create({ connection: native, namespace, taskQueue, workflowBundle, activities });
  const running = worker.run();
  const { workflow } = new Client({ connection: plain, namespace });
  let made = 0;
  return {
    round: async () => {
      await Promise.all(
        Array.from({ length: perRound }, () =>
          workflow.execute("bareWorkflow", { taskQueue, workflowId: `bare-${made++}`, args: [] }),
        ),
      );
    },
    stop: async () => {
      worker.shutdown();
      await running;
      await Promise.all([native.close(), plain.close()]);
    },
  };
}

const runOf = (id: string) => scrumEvent(id, id, { profile: { id: "scrum-team" } });
