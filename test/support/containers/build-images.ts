import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { clone } from "../engines/stack.ts";

const tag = "test";
const registry = "localhost/automation-test";

/** The images of this clone, made by `buildImages`. */
export const automationImage = `localhost/automation:${tag}`;
export const workspaceImage = `localhost/automation-workspace:${tag}`;

/**
 * Builds both images as an operator does, but on bases that are made here, since no image registry may be in reach.
 * @throws Error when a step fails; what it wrote is on the terminal
 */
export function buildImages(): void {
  run(join(import.meta.dirname, "base-images.sh"), []);
  const bases = [
    `NODE_IMAGE=${registry}/node:${process.versions.node}-bookworm`,
    `BASE_IMAGE=${registry}/debian:bookworm`,
  ];
  const args = bases.flatMap((base) => ["--build-arg", base]);
  run(join(clone, "images", "build.sh"), ["--isolation", "chroot", "--pull-never", ...args]);
}

function run(script: string, args: readonly string[]): void {
  const env = { ...process.env, TAG: tag, BUILDER: "buildah" };
  const { status } = spawnSync(script, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${script} ended with ${status}`);
}
