import { expect, it } from "vitest";
import { BaseUnavailableError, faultOfRemote } from "../repo/base-unavailable.ts";
import { GitError } from "../repo/run-git.ts";
import { SandboxError } from "../sandbox/sandbox-errors.ts";
import { hostFaultOf } from "./host-fault.ts";

const withCode = (code: string) => Object.assign(new Error(`${code}: open '/x'`), { code });

it.each(["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EROFS", "EIO"])(
  "%s is the host's fault, also as the cause of something else",
  (code) => {
    expect(hostFaultOf(withCode(code))).toContain(code);
    expect(hostFaultOf(new TypeError("it failed", { cause: withCode(code) }))).toContain(code);
  },
);

it("what a program of the host says last is believed", () => {
  const full = new GitError("fetch", 128, "fatal: write error: No space left on device\nfatal: early EOF\n");
  expect(hostFaultOf(full)).toMatch(/^a disk of this worker is full/);
  expect(hostFaultOf(new SandboxError("the box can't be made"))).toBe("the box can't be made");
});

it.each([withCode("ENOENT"), withCode("EACCES"), new Error("No space left on device"), "No space left", undefined])(
  "anything else is not: %s",
  (error) => expect(hostFaultOf(error)).toBeUndefined(),
);

it.each([
  ["error: RPC failed; HTTP 503", true],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 502", true],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 408", true],
  ["fatal: unable to access 'https://x/': OpenSSL SSL_read: Connection was reset, errno 104", true],
  [
    "fatal: unable to access 'https://x/': GnuTLS, handshake failed: The TLS connection was non-properly terminated.",
    true,
  ],
  ["fatal: unable to access 'https://x/': Could not resolve host: x", true],
  ["fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate", false],
  ["fatal: unable to access 'https://x/': The requested URL returned error: 404", false],
  ["fatal: could not read Username for 'https://x': terminal prompts disabled", false],
])("a remote that says `%s` may pass: %s", (stderr, isPassing) => {
  const fault = faultOfRemote("https://x/", new GitError("fetch", 128, stderr));
  expect(fault).toBeInstanceOf(BaseUnavailableError);
  expect(fault?.isPassing).toBe(isPassing);
});

it("a full disk of this side is no fault of the remote", () => {
  const full = new GitError("fetch", 128, "fatal: write error: No space left on device\nfatal: early EOF\n");
  expect(faultOfRemote("https://x/", full)).toBeUndefined();
});
