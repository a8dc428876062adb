import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import type { Find } from "../../../../local/engines/find.ts";
import { clone } from "../stack.ts";
import { findChartTools } from "./chart-tools.ts";

export interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  /** Of a Pod; of others the parts with a template. */
  readonly spec?: Partial<PodSpec> & { readonly template?: { readonly spec: PodSpec } };
}

export interface PodSpec {
  readonly hostUsers?: boolean;
  readonly securityContext: object;
  readonly containers: readonly KubeContainer[];
  readonly volumes?: readonly { readonly name: string; readonly emptyDir?: object }[];
}

export interface KubeContainer {
  readonly name: string;
  readonly args: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string }[];
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly grpc?: { readonly port: number };
}

/** @returns the objects that helm renders of our chart, hooks and tests among them @throws Error with what helm complains of */
export async function renderChart(release: string, values: object, find: Find): Promise<KubeObject[]> {
  const helm = join(await findChartTools(find), "helm");
  const chart = join(clone, "charts", "automation-scheduler");
  const { status, stdout, stderr } = spawnSync(helm, ["template", release, chart, "--values", "-"], {
    input: stringify(values),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return parseAllDocuments(stdout).flatMap((document): KubeObject[] => document.toJS() ?? []);
}
