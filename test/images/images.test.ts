import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { automationImage, workspaceImage } from "../support/containers/build-images.ts";
import { findHadolint } from "../support/containers/hadolint/hadolint.ts";
import { inContainer } from "../support/containers/run-container.ts";
import { clone } from "../support/engines/stack.ts";
import { findBy } from "../support/probes/find.ts";

/** What the images are and hold, before a process runs. */

const { version, devDependencies, dependencies } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8"));
const images = { automation: automationImage, "automation-workspace": workspaceImage } as const;

const inspect = (image: string) => {
  const { stdout } = spawnSync("podman", ["image", "inspect", image], { encoding: "utf8" });
  return JSON.parse(stdout)[0].Config;
};
const programsOf = async (image: string, names: readonly string[]) => {
  const look = `for name in ${names.join(" ")}; do command -v "$name" > /dev/null && echo "$name"; done; true`;
  const { stdout } = await inContainer(image, ["-c", look], { entrypoint: "sh" });
  return stdout.split("\n").filter(Boolean);
};

it("have a Dockerfile without a finding of hadolint", async () => {
  const hadolint = await findHadolint(findBy(AbortSignal.timeout(60_000)));
  const { status, stdout } = spawnSync(hadolint, [join(clone, "Dockerfile")], { encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});

it("are built with the Node that the packages name", async () => {
  expect(readFileSync(join(clone, "Dockerfile"), "utf8")).toContain(`/node:${devDependencies.node}-`);
  const { stdout } = await inContainer(automationImage, ["--version"], { entrypoint: "node" });
  expect(stdout).toBe(`v${devDependencies.node}\n`);
});

describe.each(Object.entries(images))("%s", (name, image) => {
  it("runs Node itself, as a user without an account", () => {
    const { User, Entrypoint, Cmd } = inspect(image);
    expect({ User, Entrypoint, Cmd }).toEqual({
      User: "10001:10001",
      Entrypoint: ["node", "/opt/automation/src/cli/automation.js"],
      Cmd: undefined,
    });
  });

  it("says what it is, and from which commit", async () => {
    const { stdout } = spawnSync("git", ["log", "-1", "--format=%H %cI"], { cwd: clone, encoding: "utf8" });
    const [revision, created] = stdout.trim().split(" ");
    expect(inspect(image).Labels).toMatchObject({
      "org.opencontainers.image.title": name,
      "org.opencontainers.image.licenses": "Apache-2.0",
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.revision": revision,
      "org.opencontainers.image.created": created,
    });
    expect(await inContainer(image, ["version"])).toMatchObject({ code: 0, stdout: expect.stringContaining(version) });
  });

  it("has neither npm nor a compiler, and of Temporal's core what this platform runs", async () => {
    expect(await programsOf(image, ["npm", "npx", "tsc", "cc", "gcc", "make", "python3"])).toEqual([]);
    const listed = await inContainer(
      image,
      ["-c", "cd /opt/automation && ls . node_modules node_modules/@temporalio/core-bridge/releases"],
      {
        entrypoint: "sh",
      },
    );
    const found = listed.stdout.split("\n");
    expect(found.filter((entry) => /^(local|test|typescript|vitest|@swc|@biomejs|@types)$/.test(entry))).toEqual([]);
    expect(found.filter((entry) => /-(linux|darwin|windows|pc)-/.test(entry))).toHaveLength(1);
    expect(found).toContain("workers");
  });

  it("is listed in CycloneDX, with the program's packages and Debian's", () => {
    const { components, metadata } = JSON.parse(readFileSync(join(clone, "sbom", `${name}.cdx.json`), "utf8"));
    expect(metadata.component).toMatchObject({ type: "container", name, version });
    const purls: string[] = components.map(({ purl }: { purl: string }) => purl);
    expect(new Set(purls).size).toBe(purls.length);
    for (const [wanted, its] of Object.entries(dependencies))
      expect(purls).toContain(`pkg:npm/${wanted.replace("@", "%40")}@${its}`);
    expect(purls).toContain(`pkg:generic/node@${devDependencies.node}`);
    expect(purls.filter((purl) => /\/(%40swc|typescript|vitest)/.test(purl))).toEqual([]);
    expect(purls.some((purl) => purl.startsWith("pkg:deb/debian/git@"))).toBe(name === "automation-workspace");
  });
});

it("have git and bubblewrap only where work is done", async () => {
  const sandbox = ["git", "bwrap"];
  expect(await programsOf(automationImage, sandbox)).toEqual([]);
  expect(await programsOf(workspaceImage, sandbox)).toEqual(sandbox);
});

it("hold all that the program loads by path", async () => {
  const files = globSync(["src/**/*.sql", "workers/workspace/**/{*.mjs,git-config}"], { cwd: clone });
  expect(files.length).toBeGreaterThan(10);
  const look = `cd /opt/automation && ls ${files.join(" ")} workers/automation/workflow-bundle.js`;
  expect((await inContainer(workspaceImage, ["-c", look], { entrypoint: "sh" })).stderr).toBe("");
});
