import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { blocksOf, pages, textOf } from "../support/probes/pages.ts";

const operating = pages.filter((page) => page.startsWith("docs/operating/"));
const sql = "(?:select|with|show|update|delete|insert|alter) [^`]+?";
/** In running text, after the words that say who may run it: `as a superuser`, `as a member of \`ROLE\``. */
const inText = operating.flatMap((page) =>
  textOf(page)
    .split("\n")
    .flatMap((line, index) =>
      [...line.matchAll(new RegExp(`\`(${sql})\``, "g"))].map((match) => ({
        at: `${page}:${index + 1}`,
        sql: match[1] ?? "",
        role: [...line.slice(0, match.index).matchAll(/as a (superuser|member of `(pg_\w+)`)/g)].at(-1)?.slice(1),
      })),
    ),
);
/** In commands of psql, which go to a superuser. */
const inCommands = operating.flatMap((page) =>
  blocksOf(page).flatMap(({ line, text }) =>
    [...text.matchAll(new RegExp(`psql [^\n]*--command (["'])(${sql})\\1`, "g"))].map((match) => ({
      at: `${page}:${line}`,
      sql: match[2] ?? "",
      role: ["superuser"],
    })),
  ),
);
/** A name such as `alter role` is none. */
const isWhole = (statement: string) => /\(|( \S+){3}/.test(statement);
const statements = [...inText, ...inCommands].filter((each) => isWhole(each.sql));
/** What an operator puts in. */
const given = (statement: string) =>
  statement
    .replaceAll("PID", "0")
    .replaceAll("$ROLE", "api")
    .replaceAll(/\$[A-Z_]+/g, "x");

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
  expect(inText.filter((each) => isWhole(each.sql)).length).toBeGreaterThan(2);
  expect(inCommands.filter((each) => isWhole(each.sql)).length).toBeGreaterThan(2);
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
    const { rows } = await client.query(given(sql));
    expect(JSON.stringify(rows)).not.toContain("insufficient privilege");
  } finally {
    await client.end();
  }
});
