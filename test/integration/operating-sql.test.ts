import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { pages, textOf } from "../support/probes/pages.ts";

/** Statements that pages for operators have, each after the words that say who may run it: `as a superuser`, `as a member of \`ROLE\``. */
const statements = pages
  .filter((page) => page.startsWith("docs/operating/"))
  .flatMap((page) =>
    textOf(page)
      .split("\n")
      .flatMap((line, index) =>
        [...line.matchAll(/`((?:select|with|show|update|delete|insert|alter|create) [^`]+)`/g)].map((match) => ({
          at: `${page}:${index + 1}`,
          sql: match[1] ?? "",
          role: [...line.slice(0, match.index).matchAll(/as a (superuser|member of `(pg_\w+)`)/g)].at(-1)?.slice(1),
        })),
      ),
  );

let engines: BorrowedEngines;
let database: TestDatabase;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
});
afterAll(async () => {
  await database?.close();
  await engines?.stop();
});

it("finds the statements", () => {
  expect(statements.length).toBeGreaterThan(2);
});

it.each(statements)("$at: $sql", async ({ at, sql, role }) => {
  expect(role, `${at} says who may run it`).toBeDefined();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query("begin");
    const [, group] = role ?? [];
    if (group !== undefined) {
      await client.query(`create role operator_of_the_page in role ${group}`);
      await client.query("set local role operator_of_the_page");
    }
    const { rows } = await client.query(sql.replaceAll("PID", "0"));
    expect(JSON.stringify(rows)).not.toContain("insufficient privilege");
  } finally {
    await client.end();
  }
});
