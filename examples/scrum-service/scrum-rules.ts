/**
 * The states of a hand-off key. What a call reports is provisional while its key is TRIED, and final once it is CONFIRMED.
 *
 *   unknown   try → TRIED · confirm: not_found · cancel → CANCELLED, so that a late try is refused
 *   TRIED     try: as before · confirm → CONFIRMED · cancel → CANCELLED · past its expiry: unknown
 *   CONFIRMED try, confirm: as before · cancel: failed_precondition
 *   CANCELLED cancel: as before · try, confirm: failed_precondition
 *
 * In every state: the same key and phase with other content, or the key of another method, is already_exists.
 */
export type Phase = "try" | "confirm" | "cancel";
export type KeyState = "TRIED" | "CONFIRMED" | "CANCELLED";

/** What is known of a key within its tenant. */
export interface KnownKey {
  readonly method: string;
  readonly state: KeyState;
  /** Digest of the content that each phase came with; null: the phase has not come. */
  readonly digests: Readonly<Record<Phase, string | null>>;
  /** When a try may be dropped; undefined: never. */
  readonly expiresAt: Date | undefined;
}

export interface Call {
  readonly method: string;
  readonly phase: Phase;
  readonly digest: string;
  readonly expiresAt: Date | undefined;
}

export type Ruling =
  | { readonly outcome: "becomes"; readonly state: KeyState }
  | { readonly outcome: "as_before" }
  | {
      readonly outcome: "refused";
      readonly code: "failed_precondition" | "already_exists" | "not_found";
      readonly reason: string;
    };

export function rule(known: KnownKey | undefined, call: Call, now: Date): Ruling {
  if (known === undefined || isExpired(known, now)) return ruleUnknown(call, now);
  if (known.method !== call.method)
    return refused("already_exists", `this key is that of a ${known.method}; use another key for ${call.method}`);
  const before = known.digests[call.phase];
  if (before !== null && before !== call.digest)
    return refused(
      "already_exists",
      `this key came with other content for its ${call.phase}; use another key for other content`,
    );
  return rulings[known.state][call.phase];
}

/** Whether a try has expired without confirm or cancel, and is dropped. */
export function isExpired({ state, expiresAt }: Pick<KnownKey, "state" | "expiresAt">, now: Date): boolean {
  return state === "TRIED" && expiresAt !== undefined && expiresAt <= now;
}

function ruleUnknown({ phase, expiresAt }: Call, now: Date): Ruling {
  switch (phase) {
    case "try":
      if (expiresAt !== undefined && expiresAt <= now)
        return refused(
          "failed_precondition",
          `the try expired at ${expiresAt.toISOString()}; try again under a new key`,
        );
      return { outcome: "becomes", state: "TRIED" };
    case "confirm":
      return refused(
        "not_found",
        "no try of this key is held, so there is nothing to confirm; it never came, or it expired",
      );
    case "cancel":
      return { outcome: "becomes", state: "CANCELLED" };
  }
}

const asBefore: Ruling = { outcome: "as_before" };

const rulings: Readonly<Record<KeyState, Readonly<Record<Phase, Ruling>>>> = {
  TRIED: {
    try: asBefore,
    confirm: { outcome: "becomes", state: "CONFIRMED" },
    cancel: { outcome: "becomes", state: "CANCELLED" },
  },
  CONFIRMED: {
    try: asBefore,
    confirm: asBefore,
    cancel: refused("failed_precondition", "the key was confirmed, and what is held for good can't be cancelled"),
  },
  CANCELLED: {
    try: refused("failed_precondition", "the key was cancelled, so a try of it comes too late"),
    confirm: refused("failed_precondition", "the key was cancelled, so it can't be confirmed"),
    cancel: asBefore,
  },
};

function refused(code: "failed_precondition" | "already_exists" | "not_found", reason: string): Ruling {
  return { outcome: "refused", code, reason };
}
