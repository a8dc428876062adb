import { z } from "zod";
import type { Phase } from "./scrum-rules.ts";

const where = {
  method: z.enum(["AttachIncrementEvidence", "RecordItemDone", "RaiseImpediment", "*"]).default("*"),
  phase: z.enum(["try", "confirm", "cancel", "*"]).default("*"),
  /** For how many calls; absent: until cleared. */
  calls: z.int().min(1).max(100_000).optional(),
};

/**
 * How this service can be told to misbehave:
 * refuse (its rules say no) · delay (answers late, and does the work even when the caller has gone) · lose_reply (does the work and cuts the connection) ·
 * forget (forgets the key before it handles the call).
 */
export const behaviourSchema = z.discriminatedUnion("action", [
  z.strictObject({
    ...where,
    action: z.literal("refuse"),
    reason: z.string().min(1).max(1_000).default("the team said no"),
  }),
  z.strictObject({ ...where, action: z.literal("delay"), delayMs: z.int().min(1).max(60_000) }),
  z.strictObject({ ...where, action: z.literal("lose_reply") }),
  z.strictObject({ ...where, action: z.literal("forget") }),
]);

export const behaviourRemedy =
  'send for example {"method": "RecordItemDone", "phase": "try", "action": "refuse", "reason": "…", "calls": 1}; actions are refuse, delay (with delayMs), lose_reply, forget';

export type Behaviour = z.output<typeof behaviourSchema>;

/** The behaviours that are set; kept in memory, so a restart clears them. */
export interface Behaviours {
  tell(behaviour: Behaviour): void;
  clear(): void;
  list(): readonly Behaviour[];
  /** The behaviours that apply to a call; each is counted down. */
  take(method: string, phase: Phase): Behaviour[];
}

const toldAtMost = 100;

export function createBehaviours(): Behaviours {
  let told: Behaviour[] = [];
  return {
    tell: (behaviour) => {
      told = [...told, behaviour].slice(-toldAtMost);
    },
    clear: () => {
      told = [];
    },
    list: () => told,
    take: (method, phase) => {
      const applies = (each: Behaviour) =>
        (each.method === "*" || each.method === method) && (each.phase === "*" || each.phase === phase);
      const taken = told.filter(applies);
      told = told.flatMap((each) => (applies(each) ? countDown(each) : [each]));
      return taken;
    },
  };
}

function countDown(behaviour: Behaviour): Behaviour[] {
  const { calls } = behaviour;
  if (calls === undefined) return [behaviour];
  return calls === 1 ? [] : [{ ...behaviour, calls: calls - 1 }];
}
