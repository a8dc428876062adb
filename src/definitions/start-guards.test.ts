import { expect, it } from "vitest";
import { findObstacles } from "./start-guards.ts";

const scrumTeam = { id: "team", version: "1", method: "scrum" };
const obstaclesOf = (method: string) =>
  findObstacles({
    request: {},
    method,
    references: {},
    profile: scrumTeam,
    knownRoles: [],
    now: new Date(0),
  });

it("a context of the profile's method is no obstacle", () => {
  expect(obstaclesOf("scrum")).toEqual([]);
});

it("a context of another method than the profile's is refused with a reason that names both", () => {
  expect(obstaclesOf("kanban")).toEqual([
    {
      code: "other_method",
      field: "context",
      value: "kanban",
      rule: "profile team@1 is of method scrum",
      remedy: "send a context of scrum, or name a profile of kanban",
    },
  ]);
});
