import { toJson } from "@bufbuild/protobuf";
import type { QueueHoldJson, QueueSelection, QueueSelectionJson } from "../gen/workflows_runtime/v1/queue_hold_pb.ts";
import { QueueSelectionSchema } from "../gen/workflows_runtime/v1/queue_hold_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { deleteHold, insertHold, isKnown, listHolds } from "./queue-hold-store.ts";

/** The tenant has no such rule or repository, and no run waits that has it. */
export class UnknownSelectionError extends UnknownIdError {
  override readonly name = "UnknownSelectionError";
  readonly code = "unknown_selection";
  constructor({ ruleId, repository }: QueueSelectionJson) {
    if (ruleId === undefined)
      super("repository", repository ?? "", {
        rule: "the id of a repository of this tenant",
        remedy: "`automation repository list` shows them",
      });
    else
      super("rule_id", ruleId, {
        rule: "the id of a rule of this tenant",
        remedy: "`automation rule list` shows them",
      });
  }
}

/** There is no such hold in the org. */
export class UnknownHoldError extends UnknownIdError {
  override readonly name = "UnknownHoldError";
  readonly code = "unknown_hold";
  constructor({ ruleId, repository }: QueueSelectionJson) {
    super("what", ruleId ?? repository ?? "all", {
      rule: "what is on hold in this org",
      remedy: "`automation queue` shows it",
    });
  }
}

/** Keeps waiting runs of an org from starting. @returns the hold, as it was made first @throws UnknownSelectionError */
export function createHoldQueue(deps: { readonly inScope: InScope; readonly now: () => Date }) {
  return (selection: QueueSelection, reason: string, who: Principal): Promise<QueueHoldJson> =>
    deps.inScope(who, async (transaction) => {
      const what = toJson(QueueSelectionSchema, selection);
      if (!(await isKnown(transaction, who.tenant, what))) throw new UnknownSelectionError(what);
      await insertHold(transaction, who, what, reason, deps.now());
      const holds = await listHolds(transaction, who.tenant);
      const hold = holds.find((each) => JSON.stringify(each.what) === JSON.stringify(what));
      return hold ?? { what, reason, org: who.org };
    });
}

/** Ends a hold. @throws UnknownHoldError */
export function createReleaseQueue(deps: { readonly inScope: InScope; readonly onReleased: () => void }) {
  return async (selection: QueueSelection, who: Principal): Promise<void> => {
    const what = toJson(QueueSelectionSchema, selection);
    const wasHeld = await deps.inScope(who, (transaction) => deleteHold(transaction, who, what));
    if (!wasHeld) throw new UnknownHoldError(what);
    deps.onReleased();
  };
}
