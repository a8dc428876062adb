import { expect, it } from "vitest";
import { faultOfUrl } from "./repository-rules.ts";

const bounds = {
  hosts: ["github.com", "git.example:8443"],
  roots: [{ path: "/srv/repositories", tenants: ["acme"] }],
};

it.each([
  "https://github.com/a/b.git",
  "https://git.example:8443/a",
  "file:///srv/repositories/a",
  "file:///srv/repositories/a%20b/c",
])("takes %s", (url) => {
  expect(faultOfUrl(url, "acme", bounds)).toBeUndefined();
});

it.each([
  ["ext::sh -c true", "does not begin with https://"],
  ["--upload-pack=x", "does not begin with https://"],
  ["git@github.com:a/b", "does not begin with https://"],
  ["ssh://github.com/a/b", "does not begin with https://"],
  ["http://github.com/a/b", "does not begin with https://"],
  ["git://github.com/a/b", "does not begin with https://"],
  ["file://host/srv/repositories/a", "does not begin with https://"],
  ["/srv/repositories/a", "does not begin with https://"],
  ["https://github.com/a\n/b", "does not begin with https://"],
  ["https://github.com\\@evil/a", "does not begin with https://"],
  ["https://user@github.com/a", "user or password"],
  ["https://user:secret@github.com/a", "user or password"],
  ["https://github.com/a?token=x", "query or fragment"],
  ["https://github.com/a#b", "query or fragment"],
  ["https://github.com/a/../b", "write it as https://github.com/b"],
  ["https://GitHub.com/a", "write it as https://github.com/a"],
  ["https://github.com:443/a", "write it as https://github.com/a"],
  ["https://github.com/", "has no path"],
  ["https://github.com.evil/a", "is on host github.com.evil"],
  ["https://github.com:8443/a", "is on host github.com:8443"],
  ["https://git.example/a", "is on host git.example"],
  ["file:///srv/repositories", "is not below"],
  ["file:///srv/repositories-other/a", "is not below"],
  ["file:///etc/passwd", "is not below"],
  ["file:///srv/repositories/../../etc", "write it as"],
  ["file:///srv/repositories/%2e%2e/%2e%2e/etc", "write it as"],
  ["file:///srv/repositories/..%2f..%2fetc", "does not name a folder"],
])("refuses %j: %s", (url, rule) => {
  expect(faultOfUrl(url, "acme", bounds)).toContain(rule);
});

it("lets a tenant into its own folders only", () => {
  expect(faultOfUrl("file:///srv/repositories/a", "other", bounds)).toContain("is not below");
});
