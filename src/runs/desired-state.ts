import { DesiredState } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { RunRow } from "./run-store.ts";

/** @returns the proto's name for what the run shall do */
export function toDesiredState(stored: RunRow["desiredState"]): DesiredState {
  return stored === "CANCEL" ? DesiredState.CANCEL : DesiredState.RUN;
}
