import { describe, expect, it } from "vitest";
import type { Machine } from "./remedies.ts";
import { neededPrograms, remedyOfMissing, remedyOfStart } from "./remedies.ts";

const plain: Machine = {
  usernsClone: undefined,
  maxUserNamespaces: "15000",
  apparmorRestricts: undefined,
  isInPod: false,
  isInContainer: false,
};
const refused = "bwrap: No permissions to create new namespace, likely because the kernel does not allow it";

describe("the remedy of a box that can't start", () => {
  it.each([
    ["Debian's switch", refused, { usernsClone: "0" }, "kernel.unprivileged_userns_clone=1"],
    ["a kernel that allows no namespace", refused, { maxUserNamespaces: "0" }, "user.max_user_namespaces=15000"],
    [
      "Ubuntu's AppArmor",
      "bwrap: setting up uid map: Permission denied",
      { apparmorRestricts: "1" },
      "AppArmor profile",
    ],
    ["a pod", refused, { isInPod: true, apparmorRestricts: "1" }, "hostUsers: false"],
    ["a pod's masked proc", "bwrap: Can't mount proc on /newroot/proc", { isInPod: true }, "procMount: Unmasked"],
    ["a container", "bwrap: Can't set hostname to box", { isInContainer: true }, "--security-opt unmask=ALL"],
    ["a run area in a home", "bwrap: Can't find source path /home/ada/x: Permission denied", {}, "/var/tmp"],
    ["an old bubblewrap", "bwrap: Unknown option --disable-userns", {}, "bubblewrap 0.8"],
  ])("names %s", (_, stderr, machine, remedy) => {
    expect(remedyOfStart(stderr, { ...plain, ...machine })).toContain(remedy);
  });
});

it("names the package of each program that is missing", () => {
  expect(neededPrograms).toContain("bwrap");
  expect(remedyOfMissing("bwrap")).toContain("apt-get install bubblewrap");
  expect(remedyOfMissing("setpriv")).toContain("apt-get install util-linux");
});
