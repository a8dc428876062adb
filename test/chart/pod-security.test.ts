import { beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { boxes, imageUser } from "../support/containers/container-stack.ts";
import { restricted } from "../support/containers/run-container.ts";
import type { PodSpec } from "../support/engines/chart/render-chart.ts";
import { renderChart } from "../support/engines/chart/render-chart.ts";
import { findBy } from "../support/probes/find.ts";
import { blocksOf, textOf } from "../support/probes/pages.ts";

/** What pods of the chart are allowed is what docs/operating/images.md says, and what containers are run with in test/images. */

const page = "docs/operating/images.md";
let podOf: (name: string) => PodSpec;

beforeAll(async () => {
  const [values] = blocksOf("docs/operating/install.md").filter(({ label }) => label === "automation-values.yaml");
  const rendered = await renderChart("automation", parse(values?.text ?? ""), findBy(AbortSignal.timeout(600_000)));
  podOf = (name) => {
    const found = rendered.find(({ kind, metadata }) => kind === "Deployment" && metadata.name.endsWith(`-${name}`));
    if (found?.spec?.template === undefined) throw new Error(`the chart renders no Deployment ${name}`);
    return found.spec.template.spec;
  };
}, 600_000);

/** Options of `podman run` that say the same as fields of a pod; none: what the image says, or what concerns volumes. */
const options: Readonly<Record<string, readonly string[]>> = {
  "readOnlyRootFilesystem: true": ["--read-only", "--read-only-tmpfs=false"],
  "allowPrivilegeEscalation: false": ["--security-opt=no-new-privileges"],
  "capabilities: {drop: [ALL]}": ["--cap-drop=ALL"],
  "procMount: Unmasked": ["--security-opt=unmask=ALL"],
  "seccompProfile: {type: Unconfined}": ["--security-opt=seccomp=unconfined"],
  "seccompProfile: {type: RuntimeDefault}": [],
  "appArmorProfile: {type: Unconfined}": ["--security-opt=apparmor=unconfined"],
  "runAsNonRoot: true": [],
  [`runAsUser: ${imageUser}`]: [],
  [`runAsGroup: ${imageUser}`]: [],
  [`fsGroup: ${imageUser}`]: [],
  "fsGroupChangePolicy: OnRootMismatch": [],
};
const fieldsOf = ({ securityContext, containers: [container] }: PodSpec) => ({
  ...securityContext,
  ...container?.securityContext,
});
const optionsOf = (pod: PodSpec) =>
  Object.entries(fieldsOf(pod)).flatMap(([field, value]) => {
    const known = Object.entries(options).find(
      ([text]) => JSON.stringify(parse(text)) === JSON.stringify({ [field]: value }),
    );
    if (known === undefined) throw new Error(`no option of podman is known for ${field}: ${JSON.stringify(value)}`);
    return known[1];
  });

it.each(["api", "dispatcher", "relay", "worker-control"])("%s may what its container in the tests may", (name) => {
  expect(optionsOf(podOf(name)).toSorted()).toEqual(restricted.toSorted());
});

it("the workspace worker may what its container in the tests may, in a user namespace of its own", () => {
  const pod = podOf("worker-workspace");
  expect(optionsOf(pod).toSorted()).toEqual([...restricted, ...boxes].toSorted());
  expect(pod.hostUsers).toBe(false);
});

it("the page says of both what the chart renders", () => {
  const [shown] = blocksOf(page).filter(({ language }) => language === "yaml");
  expect(fieldsOf(podOf("api"))).toMatchObject(parse(shown?.text ?? "").securityContext);

  const [table = ""] =
    textOf(page)
      .split("### The workspace worker")[1]
      ?.match(/(^\|.*\|\n)+/m) ?? [];
  const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
  const rows = table.split("\n").map((row) => row.split("|").map(codes));
  expect(rows.flatMap(([, , podman = []]) => podman.map((option) => option.replace(" ", "=")))).toEqual(boxes);
  const pod = podOf("worker-workspace");
  const fields = rows.flatMap(([, , , , field = []]) => field);
  expect(fields).toHaveLength(boxes.length + 1);
  for (const field of fields) expect({ ...fieldsOf(pod), hostUsers: pod.hostUsers }).toMatchObject(parse(field));
});
