import type { EffectivePolicyJson } from "../../../gen/automation/v1/policy_pb.ts";
import type { ReportedWork } from "../../work-report-store.ts";
import { examineWork } from "../examine-work.ts";
import { readFrames } from "./frames.ts";

/**
 * The process that examines one case. Untrusted bytes are parsed only here; the process has limits of CPU and memory, no environment and no credentials.
 *
 *   stdin: the case as JSON, then each object that was asked for, as frames · stdout, a JSON a line: {"read": sha256} asks for an object · {"findings": …} is the last
 */
const frames = readFrames(process.stdin);
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`);

const { work, policy } = JSON.parse((await frames.next()).toString()) as {
  readonly work: ReportedWork;
  readonly policy: EffectivePolicyJson;
};
const findings = await examineWork(work, policy, (sha256) => {
  say({ read: sha256 });
  return frames.next();
});
say({ findings });
process.stdin.destroy();
