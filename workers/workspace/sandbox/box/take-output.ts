import type { Readable } from "node:stream";
import type { LimitHitJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import { lastWords } from "../../../../src/text/strangers-text.ts";
import type { BoxOutput } from "../sandbox.ts";

/** The output of one box while it is read. */
export interface TakenOutput {
  /** Settles when all of it is taken; rejects with what a taker threw first. */
  readonly ended: Promise<void>;
  /** When the box last wrote something; `at` while its output is not taken yet. */
  lastSaidAt(at: number): number;
  /** The end of its standard error. */
  stderr(): string;
}

const keptStderrCharacters = 2_000;

/**
 * Reads the pipes of a box and hands over each chunk when the one before it is taken. Output beyond the limit is read and dropped.
 * @param readers - standard output, standard error and, with a channel, the channel
 */
export function takeOutput(
  readers: readonly Readable[],
  output: BoxOutput,
  how: {
    /** Of all streams together. */
    readonly limitBytes: number;
    readonly onLimit: (hit: LimitHitJson) => void;
    /** Called when a chunk can't be taken. */
    readonly onFailure: () => void;
    /** Milliseconds of a clock that never goes back. */
    readonly now: () => number;
  },
): TakenOutput {
  let saidBytes = 0;
  let saidAt = how.now();
  let untaken = 0;
  let stderr = "";
  let failure: { readonly error: unknown } | undefined;

  const takers: readonly BoxOutput["onStdout"][] = [
    output.onStdout,
    (chunk) => {
      stderr = lastWords(stderr + chunk, keptStderrCharacters);
      return output.onStderr(chunk);
    },
    output.onChannel ?? (() => {}),
  ];

  const takeAll = async (stream: Readable, take: BoxOutput["onStdout"] = () => {}) => {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      saidAt = how.now();
      saidBytes += chunk.length;
      if (saidBytes > how.limitBytes) {
        how.onLimit({ name: "output", mechanism: "hard", limit: String(how.limitBytes), peak: String(saidBytes) });
        continue;
      }
      untaken += 1;
      try {
        await take(chunk);
      } catch (error) {
        failure ??= { error };
        how.onFailure();
      } finally {
        untaken -= 1;
        saidAt = how.now();
      }
    }
  };

  const ended = Promise.all(readers.map((reader, at) => takeAll(reader, takers[at]))).then(() => {
    if (failure !== undefined) throw failure.error;
  });
  ended.catch(() => undefined); // when the box could not be made, nobody awaits it
  return { ended, lastSaidAt: (at) => (untaken > 0 ? at : saidAt), stderr: () => stderr };
}
