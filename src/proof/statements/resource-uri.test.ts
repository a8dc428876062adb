import { expect, it } from "vitest";
import { resourceUri } from "./resource-uri.ts";

it("encodes whatever an id contains", () => {
  expect(resourceUri("acme", "scrum", "backlog_item", "B/1 ä")).toBe(
    "automation://acme/scrum/backlog_item/B%2F1%20%C3%A4",
  );
});
