import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { clone } from "../engines/stack.ts";

const tag = "test";
const registry = "localhost/automation-test";

/** What Tilt runs in their place, made by `buildLiveImage`. */
export const liveImage = `localhost/automation-live:${tag}`;
/** The images of this clone, made by `buildImages`. */
export const automationImage = `localhost/automation:${tag}`;
export const workspaceImage = `localhost/automation-workspace:${tag}`;

/**
 * Builds both images as an operator does, but on bases that are made here, since no image registry may be in reach.
 * @throws Error when a step fails; what it wrote is on the terminal
 */
export function buildImages(): void {
  run(join(import.meta.dirname, "base-images.sh"), []);
  run(join(clone, "images", "build.sh"), onOurBases);
}

/** Builds the target of the Dockerfile that Tilt builds, after `buildImages`. @throws Error when it fails */
export function buildLiveImage(): void {
  run("buildah", ["build", "--layers", ...onOurBases, "--target", "automation-live", "--tag", liveImage, clone]);
}

const onOurBases = [
  ...["--isolation", "chroot", "--pull-never"],
  ...["--build-arg", `NODE_IMAGE=${registry}/node:${process.versions.node}-bookworm`],
  ...["--build-arg", `BASE_IMAGE=${registry}/debian:bookworm`],
];

function run(script: string, args: readonly string[]): void {
  const env = { ...process.env, TAG: tag, BUILDER: "buildah" };
  const { status } = spawnSync(script, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${script} ended with ${status}`);
}
