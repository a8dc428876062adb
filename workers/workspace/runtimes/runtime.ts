import type { PersonaManifestJson, PersonaRuntimeJson } from "../../../src/gen/agents/v1/agents_service_pb.ts";
import type { EffectivePolicyJson } from "../../../src/gen/automation/v1/policy_pb.ts";
import type { MethodologyContextJson, RunRequestedJson } from "../../../src/gen/automation/v1/run_requested_pb.ts";
import type { BoxLimits } from "../sandbox/sandbox.ts";
import type { StepEnd, Tell } from "./step-end.ts";

/** A persona's bundle, checked and unpacked. */
export interface Bundle {
  /** sha256, lower-case hex, of its tar. */
  readonly digest: string;
  /** Host folder; read-only at /persona in a box. */
  readonly path: string;
  readonly manifest: PersonaManifestJson;
  /** Which runtime the manifest names. */
  readonly runtime: RuntimeName;
}

/** What a persona is told. The persona may see all of it. */
export interface PersonaTask {
  readonly runId: string;
  readonly stepId: string;
  readonly goal: string;
  readonly parameters: NonNullable<RunRequestedJson["parameters"]>;
  readonly context: MethodologyContextJson;
  readonly repository: { readonly id: string; readonly ref: string; readonly baseCommit: string };
  readonly policy: EffectivePolicyJson;
  /** Results of the plan's tests on the base; paths in the box. */
  readonly reports: readonly { readonly stepId: string; readonly path: string; readonly exitCode?: number }[];
}

/** One agent step: which persona works on which task, where, and within which limits. */
export interface PersonaWork {
  readonly stepId: string;
  readonly slot: number;
  readonly bundle: Bundle;
  /** Host folders: /workspace and the home of the box. */
  readonly workspace: string;
  readonly home: string;
  /** Host folder of the worker, read-only at /task. */
  readonly taskDir: string;
  readonly task: PersonaTask;
  readonly limits: BoxLimits;
}

/**
 * Runs a persona in a box until it ends: the port that each runtime of a manifest implements.
 * Throws SandboxError when there can be no box, and what `tell` throws.
 */
export type Runtime = (work: PersonaWork, tell: Tell, signal: AbortSignal) => Promise<StepEnd>;

/** As manifests name them. */
export type RuntimeName = keyof PersonaRuntimeJson;

/** The implementation of every runtime that a manifest can name. */
export type Runtimes = Readonly<Record<RuntimeName, Runtime>>;

/** @returns undefined when the manifest names no runtime */
export function runtimeNameOf({ runtime = {} }: PersonaManifestJson): RuntimeName | undefined {
  const [name] = Object.keys(runtime) as RuntimeName[];
  return name;
}
