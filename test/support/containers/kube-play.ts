import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { runProgram } from "../../../local/engines/run-program.ts";
import type { KubeContainer, KubeObject, PodSpec } from "../engines/chart/render-chart.ts";

/**
 * Plays Kubernetes objects by `podman kube play`, on the host's network. They are played as rendered, but for what podman 4.3, which Debian 12 has, does not know or does otherwise than Kubernetes:
 * - A Job is played as the pod that it would make.
 * - `ports`: nothing is forwarded on the host's network, and podman refuses a list of them there.
 * - `livenessProbe`: podman would run curl, which is in none of our images, by timers of systemd.
 * - Volumes `emptyDir` get the pod's name before theirs: podman makes one volume of all that have the same name.
 * - No pod is restarted: one that ends is looked at.
 * - `$(NAME)` in `args`: podman leaves it as it is, so `variables` says what it stands for.
 * - `items` of a Secret's volume: podman leaves each key its name, so a Secret here has the names of the files.
 * - Secrets: podman reads them in one form for variables and in another for files, and neither is the one of Kubernetes.
 */
export interface KubePlay {
  /** Makes a Secret. @param use - what pods read it as */
  createSecret(name: string, data: Readonly<Record<string, string>>, use: "variables" | "files"): Promise<void>;
  /** Starts one Deployment, Job or Pod, with the ConfigMaps that it mounts. @returns the name of its pod */
  play(
    object: KubeObject,
    configMaps: readonly KubeObject[],
    variables?: Readonly<Record<string, string>>,
  ): Promise<string>;
  /** Runs podman. @returns what it printed @throws Error with what it complains of */
  podman(...args: string[]): Promise<string>;
  /** Removes pods, volumes and Secrets. */
  close(): Promise<void>;
}

/** Prepares a folder to play from: podman takes a folder there that is named like an image for one to build. @param signal - ends all but `close` */
export function prepareKubePlay(signal: AbortSignal): KubePlay {
  const folder = mkdtempSync(join(tmpdir(), "automation-play-"));
  const settings = join(folder, "containers.conf");
  const limits = 'default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]'; // as in run-container.ts
  writeFileSync(settings, `[containers]\n${limits}\n[engine]\nruntime = "runc"\n`);
  const made = { pods: new Set<string>(), volumes: new Set<string>(), secrets: new Set<string>() };

  const run = async (args: readonly string[], until = signal) => {
    const env = { ...process.env, CONTAINERS_CONF: settings };
    const limits = { limitMs: 120_000, signal: until };
    const { code, stdout, stderr } = await runProgram(["podman", ...args], { cwd: folder, env, ...limits });
    if (code === 0) return stdout;
    throw new Error(`podman ${args.join(" ")}: ${stderr}`);
  };

  return {
    createSecret: async (name, data, use) => {
      const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
      const file = join(folder, name);
      writeFileSync(file, JSON.stringify(use === "files" ? { data } : Object.fromEntries(encoded)));
      await run(["secret", "create", name, file]);
      made.secrets.add(name);
      if (use === "files") made.volumes.add(name);
    },
    play: async (object, configMaps, variables = {}) => {
      const { kind, metadata, spec } = object;
      const isDeployment = kind === "Deployment";
      const pod = isDeployment ? `${metadata.name}-pod-0` : metadata.name; // so podman names it
      const adapted = adapt(spec?.template?.spec ?? (spec as PodSpec), pod, variables);
      const played = isDeployment
        ? { ...object, spec: { ...spec, template: { ...spec?.template, spec: adapted } } }
        : { apiVersion: "v1", kind: "Pod", metadata, spec: adapted };
      const file = join(folder, `${pod}.yaml`);
      writeFileSync(file, [...configMaps, played].map((each) => stringify(each)).join("---\n"));
      made.pods.add(pod);
      for (const { name, emptyDir } of adapted.volumes) if (emptyDir) made.volumes.add(name);
      for (const { metadata } of configMaps) made.volumes.add(metadata.name);
      await run(["kube", "play", "--network", "host", file]);
      return pod;
    },
    podman: (...args) => run(args),
    close: async () => {
      const until = AbortSignal.timeout(60_000);
      for (const pod of made.pods) await run(["pod", "rm", "--force", "--ignore", "--time", "2", pod], until);
      for (const volume of made.volumes) await run(["volume", "rm", "--force", volume], until);
      for (const secret of made.secrets) await run(["secret", "rm", secret], until);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function adapt({ volumes = [], ...spec }: PodSpec, pod: string, variables: Readonly<Record<string, string>>) {
  const empty = new Set(volumes.filter(({ emptyDir }) => emptyDir !== undefined).map(({ name }) => name));
  const named = <T extends { readonly name: string }>(one: T): T =>
    empty.has(one.name) ? { ...one, name: `${pod}-${one.name}` } : one;
  const container = ({ ports: _, livenessProbe: __, ...rest }: KubeContainer) => ({
    ...rest,
    args: rest.args.map((arg) => arg.replaceAll(/\$\((\w+)\)/g, (whole, name) => variables[name] ?? whole)),
    volumeMounts: rest.volumeMounts.map(named),
  });
  return {
    ...spec,
    restartPolicy: "Never",
    containers: spec.containers.map(container),
    volumes: volumes.map(named),
  };
}
