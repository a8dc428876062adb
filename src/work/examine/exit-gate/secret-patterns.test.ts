import { describe, expect, it } from "vitest";
import { findSecret, findSecretInBytes, findSecretsInLines } from "./secret-patterns.ts";

// Put together here, so that no line of this file looks like one.
const of = (...parts: string[]) => parts.join("");
const letters = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6";

describe("a secret", () => {
  it.each([
    ["private key", of("-----BEGIN ", "PRIVATE KEY-----")],
    ["private key", of("-----BEGIN RSA ", "PRIVATE KEY-----")],
    ["private key", of("-----BEGIN PGP ", "PRIVATE KEY BLOCK-----")],
    ["private key", of('key = "-----BEGIN OPENSSH ', 'PRIVATE KEY-----\\n…"')],
    [
      "AWS access key",
      of("id: AKIA", "IOSFODNN7EXAMPLA")
        .replace("0", "A")
        .replaceAll(/[0189]/g, "B"),
    ],
    ["AWS secret key", of("aws_secret_access_key=", letters, "ab/+")],
    ["GitHub token", of("ghp_", letters)],
    ["GitHub token", of("github_pat_", letters)],
    ["GitLab token", of("token: glpat-", letters.slice(0, 20))],
    ["Slack token", of("xoxb-", "123456789012-abc")],
    ["Google API key", of("AIza", letters.slice(0, 35))],
    ["npm token", of("//registry.example.org/:_authToken=npm_", letters)],
    ["Stripe key", of("sk_live_", letters.slice(0, 24))],
    ["model provider's key", of("sk-ant-", letters)],
    ["model provider's key", of("sk-", letters, letters)],
    ["JSON Web Token", of("Bearer eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0NTY3ODkwIn0", ".dozjgNryP4J3jVmNHl0w5N")],
    ["password in a URL", of("postgres://app:hunt", "er2secret9@db/main")],
    ["password or key in quotes", of('password = "hunt', 'er2hunter2"')],
    ["password or key in quotes", of("  dbPassword: 'c0rrect", "-horse'")],
    ["password or key in quotes", of('"api_key": "', letters, '"')],
  ])("is found: %s", (kind, text) => {
    expect(findSecret(text)).toBe(kind);
  });

  it.each([
    "-----BEGIN CERTIFICATE-----",
    of("-----BEGIN ", "PUBLIC KEY-----"),
    "AKIA is how the ids of access keys begin",
    `sha256: ${"a1".repeat(32)}`,
    `"integrity": "sha512-${letters}${letters}=="`,
    'password = "changeme1"',
    'password = "correct horse battery staple 1"',
    of('const password = "$', '{process.env.PASSWORD_1}"'),
    "password = process.env.PASSWORD_1",
    'password: "<your password 1>"',
    'type: "password", name: "password2"',
    'secretName: "database-credentials"',
    "https://user:password@example.org/",
    "https://example.org/a:b1c2d3e4f5@example",
    'apiKey: "test-key-123456"',
    'tokens: ["eyJ", "eyJhbGciOi"]',
    "task-ant-hill sk-learn npm_config_registry",
    "",
    "AKIAIOSFODNN7EXAMPLE",
    "aws_access_key_id = AKIAI44QH8DHBEXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    of("gho_", "16C7e42F292c6912E7710c838347Ae178B4a"),
    `ghp_${"x".repeat(36)}`,
    `npm_${"X".repeat(36)}`,
    "sk-ant-your-api-key-goes-here",
    "xoxb-not-a-real-token-this-will-not-work",
    of(
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ",
      ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    ),
  ])("is not seen in %s", (text) => {
    expect(findSecret(text)).toBeUndefined();
  });

  it.each([
    ["AWS access key", of("AKIAIOSFODNN7EXAMPLE AKIA", "QWERTYUIOPASDFGH")],
    ["GitHub token", of(`ghp_${"x".repeat(36)} ghp_`, letters)],
    ["password in a URL", of("https://user:password@example.org/ postgres://app:hunt", "er2secret9@db/main")],
  ])("is found after one that stands for it: %s", (kind, text) => {
    expect(findSecret(text)).toBe(kind);
  });

  it.each([0, 1, 2, 3])("is found in UTF-16 of both orders, %d bytes into a file", (before) => {
    const text = Buffer.from(of("\ufeffkey: ghp_", letters, "\r\n"), "utf16le");
    for (const bytes of [text, Buffer.from(text).swap16(), text.subarray(2), Buffer.from(text).swap16().subarray(2)])
      expect(findSecretInBytes(Buffer.concat([Buffer.alloc(before, 7), bytes]))).toBe("GitHub token");
    expect(findSecretInBytes(Buffer.from(of("ghp_", letters), "utf16le").swap16())).toBe("GitHub token");
  });

  it("is found wherever it stands in a large file, and in the very line of many", () => {
    const token = of("ghp_", letters);
    const mebibyte = 1024 ** 2;
    for (const at of [0, mebibyte - 20, mebibyte, 2 * mebibyte - 41, 3 * mebibyte - 40]) {
      const bytes = Buffer.alloc(3 * mebibyte, " ");
      bytes.write(token, at);
      expect(findSecretInBytes(bytes)).toBe("GitHub token");
    }
    const lines = Array.from({ length: 100_000 }, (_, line) => ({ line, text: "let a = 1;" }));
    for (const line of [0, 6_553, 6_554, 99_999]) lines[line] = { line, text: `key = ${token}` };
    expect(findSecretsInLines(lines).map(({ line }) => line)).toEqual([0, 6_553, 6_554, 99_999]);
  });
});
