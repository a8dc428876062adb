import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createPool } from "../../src/drivers/postgres/pool.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";

let engines: BorrowedEngines;
let superuser: pg.Client;
let url: string;
const role = "changes_its_password";

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  superuser = new pg.Client({ connectionString: engines.postgres.url });
  await superuser.connect();
  await superuser.query(`create role ${role} login password 'first'`);
  const own = new URL(engines.postgres.url);
  own.username = role;
  own.password = "";
  url = own.href;
});
afterAll(async () => {
  await superuser?.query(`drop role ${role}`);
  await superuser?.end();
  await engines?.stop();
});

/** Logs in on connections of their own, `count` at once. @returns whose sessions they are */
async function logIn(passwords: readonly string[], count = 1): Promise<string[]> {
  const pool = createPool({ url, passwords: () => passwords, applicationName: "test", max: count, onError: () => {} });
  try {
    const rows = await Promise.all(Array.from({ length: count }, () => pool.query("select session_user as who")));
    return rows.map((answer) => answer.rows[0].who);
  } finally {
    await pool.end();
  }
}

it("logs in with either of two passwords, so that the role may change it at any moment", async () => {
  expect(await logIn(["second", "first"], 3)).toEqual([role, role, role]);
  await superuser.query(`alter role ${role} password 'second'`);
  expect(await logIn(["second", "first"], 3)).toEqual([role, role, role]);
  expect(await logIn(["second"])).toEqual([role]);
  await expect(logIn(["first"])).rejects.toMatchObject({ code: "28P01" });
});

it("is refused when the server takes neither", async () => {
  await expect(logIn(["third", "fourth"])).rejects.toMatchObject({ code: "28P01" });
});

it("keeps a session whose role changes its password meanwhile, and asks for the password at each new one", async () => {
  await superuser.query(`alter role ${role} password 'second'`);
  let password = "second";
  const pool = createPool({ url, passwords: () => [password], applicationName: "test", max: 2, onError: () => {} });
  const open = await pool.connect();
  await superuser.query(`alter role ${role} password 'third'`);
  expect((await open.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  await expect(pool.query("select 1")).rejects.toMatchObject({ code: "28P01" });
  password = "third";
  expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  open.release();
  await pool.end();
});
