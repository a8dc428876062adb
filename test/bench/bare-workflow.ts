import { proxyActivities } from "@temporalio/workflow";

const { nothing } = proxyActivities<{ nothing(): Promise<void> }>({ startToCloseTimeout: "10 s" });

/** The least that a workflow with one regular activity is. */
export async function bareWorkflow(): Promise<void> {
  await nothing();
}
