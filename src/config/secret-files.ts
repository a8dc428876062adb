import { readFileSync, statSync } from "node:fs";

/** What a secret is for. */
export type SecretName =
  | "database"
  | `database-${string}`
  | "object-store"
  | "kafka"
  | "nats"
  | "signing-builder"
  | "signing-verifier"
  | "worker-token"
  | `methodology-${string}`;

/** A secret can't be read from its files, and none was read before. */
export class UnusableSecretError extends Error {
  override readonly name = "UnusableSecretError";
  readonly code = "unusable_secret";
}

export interface SecretState {
  readonly name: SecretName;
  /** When the files were written that the secret in use was read from. */
  readonly writtenAt: Date;
  /** False while the files hold something else that can't be used. */
  readonly isUsable: boolean;
}

interface Version<T> {
  readonly stamp: string;
  readonly value: T;
  readonly writtenAt: Date;
}

/**
 * Secrets in files, which are looked at whenever a secret is used: a new one counts from then on.
 * One that can't be used, such as a half-written file, is told once, and the one before stays in use.
 */
export function createSecretFiles(onUnusable: (secret: SecretName, why: string) => void) {
  const looks = new Map<SecretName, () => SecretState>();
  return {
    /**
     * Reads a secret.
     * @param paths - files that belong together
     * @param parse - given their texts; throws when they are no such secret
     * @returns a function that gives the secret as it is now
     * @throws UnusableSecretError with the files and what is wrong
     */
    open<T>(name: SecretName, paths: readonly string[], parse: (texts: readonly string[]) => T): () => T {
      let inUse = readVersion(paths, parse, name);
      let unusable: string | undefined;
      const look = (): Version<T> => {
        const stamp = stampOf(paths);
        if (stamp === inUse.stamp) unusable = undefined;
        else if (stamp !== unusable)
          try {
            inUse = readVersion(paths, parse, name);
            unusable = undefined;
          } catch (error) {
            unusable = stamp;
            onUnusable(name, `${messageOf(error)}; the one before stays in use`);
          }
        return inUse;
      };
      looks.set(name, () => {
        const { writtenAt } = look();
        return { name, writtenAt, isUsable: unusable === undefined };
      });
      return () => look().value;
    },

    /** Looks at the files of every secret. */
    states: (): SecretState[] => [...looks.values()].map((look) => look()),
  };
}

export type SecretFiles = ReturnType<typeof createSecretFiles>;

/** @returns the text of a file that holds one line. @throws Error when it holds anything else */
export function oneLine([text = ""]: readonly string[]): string {
  const [line = "", ...more] = linesOf(text);
  if (more.length > 0) throw new Error("it must hold one line");
  return line;
}

/** @returns lines without blanks around them and without empty ones. @throws Error when there is none, or one is no text */
export function linesOf(text: string): string[] {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines.length === 0) throw new Error("it is empty");
  if (lines.some((line) => /[\p{Cc}\u{fffd}]/u.test(line))) throw new Error("it holds bytes that are no text");
  return lines;
}

function readVersion<T>(
  paths: readonly string[],
  parse: (texts: readonly string[]) => T,
  name: SecretName,
): Version<T> {
  try {
    let stamp = stampOf(paths);
    for (;;) {
      const texts = paths.map((path) => readFileSync(path, "utf8"));
      const after = stampOf(paths);
      if (after === stamp) {
        const writtenAt = new Date(Math.max(...paths.map((path) => statSync(path).mtimeMs)));
        return { stamp, value: parse(texts), writtenAt };
      }
      stamp = after; // replaced meanwhile, perhaps one file of two
    }
  } catch (cause) {
    const files = paths.join(" and ");
    throw new UnusableSecretError(`the secret ${name} in ${files} can't be used: ${messageOf(cause)}`, { cause });
  }
}

/** Changes when one of the files is written or replaced, or is not there. */
function stampOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? "absent" : `${found.mtimeMs}/${found.ino}/${found.size}`;
    })
    .join(" ");
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
