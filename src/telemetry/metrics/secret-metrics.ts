import type { Measured } from "../instruments.ts";
import { gauge } from "../instruments.ts";

const everyProcess: readonly Measured[] = ["api", "dispatcher", "relay", "worker-control", "worker-workspace"];

const age = gauge({
  name: "automation.secret.age.seconds",
  unit: "s",
  description:
    "Time since the file was written that the secret in use was read from; in a pod, since it was mounted or changed.",
  labels: ["secret"],
  processes: everyProcess,
});

const unusable = gauge({
  name: "automation.secret.unusable",
  unit: "1",
  description: "1 while the file holds something that can't be used, so that the secret before stays in use, else 0.",
  labels: ["secret"],
  processes: everyProcess,
});

interface SecretState {
  readonly name: string;
  readonly writtenAt: Date;
  readonly isUsable: boolean;
}

/** @param states - looks at the files of every secret of this process */
export function observeSecrets(states: () => readonly SecretState[], now: () => Date): void {
  age(() =>
    states().map(({ name, writtenAt }) => ({
      value: (now().getTime() - writtenAt.getTime()) / 1_000,
      labels: { secret: name },
    })),
  );
  unusable(() => states().map(({ name, isUsable }) => ({ value: isUsable ? 0 : 1, labels: { secret: name } })));
}
