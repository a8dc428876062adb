import { create, fromJson } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bumpRevision } from "../../src/definitions/declaration-revision-store.ts";
import type { Declarations } from "../../src/definitions/declarations.ts";
import { createDecideByDeclarations } from "../../src/definitions/declarations.ts";
import { InvalidDeclarationError } from "../../src/definitions/invalid-declaration-error.ts";
import { createPublishVersion } from "../../src/definitions/publish-definition.ts";
import { createPublishProfile } from "../../src/definitions/publish-profile.ts";
import { createPutRepository } from "../../src/definitions/put-repository.ts";
import type { Page } from "../../src/definitions/read-declared.ts";
import {
  createReadDeclared,
  UnknownDefinitionError,
  UnknownProfileError,
} from "../../src/definitions/read-declared.ts";
import { ReceiverMethodError, UnknownReceiverError } from "../../src/definitions/receiver-rules.ts";
import { createInScope, createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import type { AutomationPlanJson, TestStepJson } from "../../src/gen/automation/v1/automation_plan_pb.ts";
import type { ProfileJson } from "../../src/gen/governance/v1/profile_pb.ts";
import { ProfileSchema } from "../../src/gen/governance/v1/profile_pb.ts";
import type { RepositoryJson } from "../../src/gen/workflows_runtime/v1/repository_pb.ts";
import { RepositorySchema } from "../../src/gen/workflows_runtime/v1/repository_pb.ts";
import type { WorkflowRuleJson, WorkflowRuleVersionJson } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { PublishWorkflowVersionRequestJson } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { PublishWorkflowVersionRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { insertPersona } from "../../src/personas/persona-store.ts";
import { createPutRule } from "../../src/rules/put-rule.ts";
import { createReadRuleVersions } from "../../src/rules/read-rule-versions.ts";
import { createRetireRule } from "../../src/rules/retire-rule.ts";
import { RuleVersionConflictError } from "../../src/rules/rule-errors.ts";
import { InvalidPageTokenError } from "../../src/tenancy/page-token.ts";
import type { InScope, InTransaction, Transaction } from "../../src/tenancy/transaction.ts";
import { VersionExistsError } from "../../src/tenancy/version-exists-error.ts";
import { aPrincipal, aProfile, declare, scopeOf } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let api: Pool;
let inScope: InScope;
let inTransaction: InTransaction;
let tenant = "";

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  api = database.poolOf("api");
  inScope = createInScope(api);
  inTransaction = createInTransaction(database.poolOf("dispatcher"));
});

afterAll(async () => {
  await database?.close();
  await engines?.stop();
});

let tenants = 0;
beforeEach(() => {
  tenants += 1;
  tenant = `tenant-${tenants}`;
});

const publishVersion = (version: string, over: PublishWorkflowVersionRequestJson = {}) =>
  createPublishVersion({ inScope })(
    fromJson(PublishWorkflowVersionRequestSchema, { definitionId: "evidence", version, plan: {}, ...over }),
    aPrincipal(tenant),
  );
const receivers = new Map([
  ["scrum", "scrum"],
  ["flow", "kanban"],
]);
const publishProfile = (over: ProfileJson = {}) =>
  createPublishProfile({ inScope, methods: ["scrum"], receivers })(
    fromJson(ProfileSchema, aProfile(over)),
    aPrincipal(tenant),
  );
const putRule = (id: string, priority: number, definitionId: string) =>
  createPutRule({ inScope })(
    fromJson(WorkflowRuleSchema, { id, priority, profileId: "team", definition: { id: definitionId } }),
    aPrincipal(tenant),
  );
const putRepository = (over: RepositoryJson = {}) =>
  createPutRepository({
    inScope,
    bounds: { hosts: ["github.com"], roots: [{ path: "/srv/repositories", tenants: [tenant] }] },
  })(
    fromJson(RepositorySchema, { id: "shop", url: "https://github.com/acme/shop.git", defaultRef: "main", ...over }),
    aPrincipal(tenant),
  );
const declared = () => createReadDeclared({ inScope });
const outcomeOf = (published: Promise<{ created: boolean }>) =>
  published.then(
    ({ created }) => (created ? "created" : "known"),
    (error: Error) => error.name,
  );

describe("a published version", () => {
  it("is there for ever: the same content again is known, other content is refused and moves no channel", async () => {
    const first = await publishVersion("1", { channel: "stable" });
    expect(await publishVersion("1")).toEqual({ digest: first.digest, created: false });
    const changed = publishVersion("1", { channel: "beta", plan: { timeLimit: "60s" } });
    await expect(changed).rejects.toThrow(VersionExistsError);
    const [definition] = (await declared().definitions(scopeOf(tenant))).definitions ?? [];
    expect(definition?.channels).toEqual([{ channel: "stable", version: "1" }]);
  });

  it("of which two are published at once with other content is won by one", async () => {
    const plans = Array.from({ length: 8 }, (_, n) => ({ timeLimit: `${60 + n}s` }));
    const outcomes = await Promise.all(plans.map((plan) => outcomeOf(publishVersion("1", { plan }))));
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 7 }, () => "VersionExistsError"), "created"]);
  });

  it("is found by its number, by its channel, and by `stable` when neither is named", async () => {
    await publishVersion("1", { channel: "stable" });
    await publishVersion("2", { channel: "beta" });
    const found = async (selector: { version?: string; channel?: string }) =>
      (await declared().version(scopeOf(tenant), { id: "evidence", ...selector })).version;
    expect([await found({}), await found({ channel: "beta" }), await found({ version: "1" })]).toEqual(["1", "2", "1"]);
    await publishVersion("1", { channel: "beta" });
    expect(await found({ channel: "beta" })).toBe("1");
    await expect(found({ channel: "nightly" })).rejects.toThrow(UnknownDefinitionError);
    await expect(found({ version: "3" })).rejects.toThrow(UnknownDefinitionError);
  });

  it("with no plan, or one that takes no time or more than 30 days, is refused", async () => {
    const bare = create(PublishWorkflowVersionRequestSchema, { definitionId: "evidence", version: "1" });
    await expect(createPublishVersion({ inScope })(bare, aPrincipal(tenant))).rejects.toThrow(InvalidDeclarationError);
    for (const limit of ["timeLimit", "queueLimit", "handoffLimit"])
      for (const time of ["0s", "2592001s"])
        await expect(publishVersion("1", { plan: { [limit]: time } })).rejects.toThrow(InvalidDeclarationError);
    expect((await declared().definitions(scopeOf(tenant))).definitions).toEqual([]);
  });

  it("with steps that no run could do is refused, and every fault names its field", async () => {
    const test: TestStepJson = {
      argv: ["node", "--test"],
      reportPath: "report.xml",
      format: "REPORT_FORMAT_JUNIT",
    };
    const plan: AutomationPlanJson = {
      repository: { id: "shop", ref: "a..b" },
      policy: {
        commands: { deny: ["rm  -rf"] },
        paths: { write: { patterns: ["!src/**"] } },
        limits: { stepTime: "0.5s" },
      },
      steps: [
        { id: "unit", test: { ...test, reportPath: "../report.xml" } },
        { id: "unit", timeLimit: "90000s", command: { argv: [""] } },
        { id: "doc", document: { path: ".git/config", mediaType: "text/plain", typeKey: "a:b" } },
        { id: "same", document: { path: "./a", mediaType: "text/plain", typeKey: "a:b" } },
        { id: "again", document: { path: "./a", mediaType: "text/plain", typeKey: "a:b" } },
      ],
    };
    const refused = await publishVersion("1", { plan }).then(
      () => undefined,
      (error: InvalidDeclarationError) => error,
    );
    expect(refused?.code).toBe("invalid_declaration");
    const fields = refused?.faults.map((fault) => fault.split(" ")[0]);
    expect(fields).toEqual([
      ...["plan.repository.ref", "plan.policy.commands.deny.0", "plan.policy.paths.write.patterns.0"],
      ...["plan.policy.limits.step_time", "plan.steps.0.test.report_path", "plan.steps.1.time_limit"],
      ...["plan.steps.1.command.argv.0", "plan.steps.2.document.path", "plan.steps.3.document.path"],
      ...["plan.steps.4.document.path", "plan.steps.1.id", "plan.steps.4.document.path", "plan.steps:"],
    ]);
    const good: AutomationPlanJson = {
      policy: { commands: { deny: ["rm"] }, paths: { write: { patterns: ["src/**"] } } },
      steps: [
        { id: "build", timeLimit: "60s", command: { argv: ["node", "build.js"] } },
        { id: "unit", test },
        { id: "doc", document: { path: "docs/a.md", mediaType: "text/markdown", typeKey: "a:b" } },
      ],
    };
    expect(await outcomeOf(publishVersion("1", { plan: good }))).toBe("created");
  });
});

describe("a repository", () => {
  it("is declared where the operator allows it, and one that is put again replaces itself", async () => {
    await putRepository();
    await putRepository({ id: "local", url: "file:///srv/repositories/local", policy: { commands: { deny: ["rm"] } } });
    await putRepository({ defaultRef: "trunk" });
    expect((await declared().repositories(scopeOf(tenant))).repositories).toEqual([
      {
        id: "local",
        url: "file:///srv/repositories/local",
        defaultRef: "main",
        policy: { commands: { deny: ["rm"] } },
      },
      { id: "shop", url: "https://github.com/acme/shop.git", defaultRef: "trunk" },
    ]);
  });

  it("that nobody may or could work from is refused with every fault, and a password is not repeated", async () => {
    const refused = await putRepository({
      url: "https://ada:hunter2@github.com/acme/shop.git",
      defaultRef: "--upload-pack=x",
      policy: { paths: { deny: ["/etc"] } },
    }).then(
      () => undefined,
      (error: InvalidDeclarationError) => error,
    );
    expect(refused?.code).toBe("invalid_declaration");
    expect(refused?.faults.map((fault) => fault.split(" ")[0])).toEqual(["url", "default_ref", "policy.paths.deny.0"]);
    expect(refused?.message).not.toContain("hunter2");
    expect((await declared().repositories(scopeOf(tenant))).repositories).toEqual([]);
  });
});

describe("a published profile", () => {
  it("is there for ever, and the newest version is the one published last", async () => {
    const first = await publishProfile({ version: "10" });
    await publishProfile({ version: "9" });
    expect(await publishProfile({ version: "10" })).toEqual({ digest: first.digest, created: false });
    await expect(publishProfile({ version: "10", requiredReferences: [] })).rejects.toThrow(VersionExistsError);
    expect((await declared().profile(scopeOf(tenant), "team", "")).profile?.version).toBe("9");
    expect((await declared().profile(scopeOf(tenant), "team", "10")).digest).toBe(first.digest);
    expect((await declared().profiles(scopeOf(tenant))).profiles?.map(({ version }) => version)).toEqual(["9"]);
    await expect(declared().profile(scopeOf(tenant), "team", "11")).rejects.toThrow(UnknownProfileError);
  });

  it("that hands off to a service the operator has not listed is refused", async () => {
    const handoff = { receiver: "nobody", onRefusal: "REFUSAL_POLICY_FAIL" } as const;
    await expect(publishProfile({ handoff })).rejects.toThrow(UnknownReceiverError);
    await expect(publishProfile({ handoff })).rejects.toThrow(/"nobody".*scrum, flow/);
    expect((await declared().profiles(scopeOf(tenant))).profiles).toEqual([]);
  });

  it("that hands off to a receiver of another method is refused, and both methods are named", async () => {
    const handoff = { receiver: "flow", onRefusal: "REFUSAL_POLICY_FAIL" } as const;
    await expect(publishProfile({ handoff })).rejects.toThrow(ReceiverMethodError);
    await expect(publishProfile({ handoff })).rejects.toThrow(/"flow" serves method "kanban".*method "scrum"/);
    expect((await declared().profiles(scopeOf(tenant))).profiles).toEqual([]);
  });
});

describe("lists of what is declared", () => {
  it("come page by page, each item once and in the list's order", async () => {
    const many = `many-${tenant}`;
    await declare(inScope, many);
    const ids = ["a", "a-b", "a0", "b", "c"];
    const byThem = aPrincipal(many);
    for (const id of ids) {
      await createPutRepository({ inScope, bounds: { hosts: ["github.com"], roots: [] } })(
        fromJson(RepositorySchema, { id, url: `https://github.com/acme/${id}`, defaultRef: "main" }),
        byThem,
      );
      const rule = { id, priority: id.length, profileId: "nobody", definition: { id: "increment-evidence" } };
      await createPutRule({ inScope })(fromJson(WorkflowRuleSchema, rule), byThem);
    }
    const read = declared();
    const lists = {
      repositories: async (page: Page) => {
        const { repositories, nextPageToken } = await read.repositories(scopeOf(many), page);
        return { items: repositories ?? [], nextPageToken };
      },
      rules: async (page: Page) => {
        const { rules, nextPageToken } = await read.rules(scopeOf(many), page);
        return { items: rules ?? [], nextPageToken };
      },
      definitions: async (page: Page) => {
        const { definitions, nextPageToken } = await read.definitions(scopeOf(many), page);
        return { items: definitions ?? [], nextPageToken };
      },
      profiles: async (page: Page) => {
        const { profiles, nextPageToken } = await read.profiles(scopeOf(many), page);
        return { items: profiles ?? [], nextPageToken };
      },
    };
    for (const [name, list] of Object.entries(lists)) {
      const whole = (await list({ pageSize: 200, pageToken: "" })).items.map(({ id }) => id);
      const paged: (string | undefined)[] = [];
      let pageToken = "";
      do {
        const { items, nextPageToken = "" } = await list({ pageSize: 2, pageToken });
        expect(items.length).toBeLessThanOrEqual(2);
        paged.push(...items.map(({ id }) => id));
        pageToken = nextPageToken;
      } while (pageToken !== "");
      expect({ name, paged }).toEqual({ name, paged: whole });
      for (const bad of ["garbage", Buffer.from('["a","b","c"]').toString("base64url")])
        await expect(list({ pageSize: 2, pageToken: bad })).rejects.toThrow(InvalidPageTokenError);
    }
    expect((await lists.repositories({ pageSize: 0, pageToken: "" })).items).toHaveLength(5);
    const rules = (await lists.rules({ pageSize: 0, pageToken: "" })).items.map(({ id }) => id);
    expect(rules.slice(0, 3).sort()).toEqual(["a", "b", "c"]); // priority 1 goes before 2 and 3
    expect(rules.slice(3)).toEqual(["a0", "a-b"]);
  });
});

describe("rules", () => {
  it("are asked by priority, then by id, and a rule that is put again replaces itself", async () => {
    await putRule("b", 5, "two");
    await putRule("a", 5, "one");
    await putRule("c", 1, "three");
    const ids = async () => (await declared().rules(scopeOf(tenant))).rules?.map(({ id }) => id);
    expect(await ids()).toEqual(["c", "a", "b"]);
    await putRule("c", 9, "three");
    expect(await ids()).toEqual(["a", "b", "c"]);
  });

  const rule = (over: WorkflowRuleJson = {}) =>
    fromJson(WorkflowRuleSchema, { id: "nightly", profileId: "team", definition: { id: "evidence" }, ...over });
  const put = (over: WorkflowRuleJson, expected?: number) =>
    createPutRule({ inScope })(rule(over), aPrincipal(tenant), expected);
  const retire = (id: string, expected?: number) => createRetireRule({ inScope })(id, aPrincipal(tenant), expected);
  const versions = () => createReadRuleVersions({ inScope });
  const history = async (page = { pageSize: 0, pageToken: "" }) =>
    await versions().all(scopeOf(tenant), "nightly", page);
  const told = (each: WorkflowRuleVersionJson) =>
    `${each.rule?.version} ${each.retired ? "retired" : `at ${each.rule?.priority ?? 0}`} by ${each.changedBy}`;

  it("keep every version with who made it; what is said already makes none", async () => {
    expect(await put({ priority: 1 })).toEqual({ version: 1, created: true });
    expect(await put({ priority: 1 })).toEqual({ version: 1, created: false });
    expect(await put({ priority: 2 })).toEqual({ version: 2, created: true });
    expect(await retire("nightly")).toEqual({ version: 3 });
    expect(await retire("nightly")).toEqual({ version: 3 });
    expect(await put({ priority: 2 })).toEqual({ version: 4, created: true });
    const all = (await history()).versions ?? [];
    expect(all.map(told)).toEqual(["4 at 2 by ada", "3 retired by ada", "2 at 2 by ada", "1 at 1 by ada"]);
    const first = await history({ pageSize: 3, pageToken: "" });
    const rest = await history({ pageSize: 3, pageToken: first.nextPageToken ?? "" });
    expect([...(first.versions ?? []), ...(rest.versions ?? [])]).toEqual(all);
    expect(rest.nextPageToken).toBe("");
    expect(await versions().one(scopeOf(tenant), "nightly", 3)).toEqual({ version: all[1] });
    for (const [id, version] of [
      ["nightly", 9],
      ["none", 0],
      ["\0", 0],
    ] as const)
      await expect(versions().one(scopeOf(tenant), id, version)).rejects.toThrow("rule list` shows them");
    await expect(put({ version: 3 })).rejects.toThrow("version 3 is given by the api and can't be chosen");
  });

  it("are changed from the version that is expected only, and of many who expect it one succeeds", async () => {
    await put({}, 0);
    await expect(put({ priority: 3 }, 0)).rejects.toThrow(
      'expected_version 0 of rule "nightly" is not what it has now: it has version 1; look at it with `automation rule get nightly`',
    );
    await expect(retire("nightly", 2)).rejects.toThrow(RuleVersionConflictError);
    await expect(put({ id: "other" }, 1)).rejects.toThrow("there is no such rule");
    const tries = await Promise.all([1, 2, 3, 4, 5, 6].map((priority) => outcomeOf(put({ priority }, 1))));
    expect(tries.toSorted()).toEqual([...Array(5).fill("RuleVersionConflictError"), "created"]);
    expect((await history()).versions).toHaveLength(2);
  });

  it("that are retired match nothing, count for no profile, and are still read by version", async () => {
    await put({ limits: [{ id: "few", scope: "QUEUE_LIMIT_SCOPE_RULE", maxConcurrentRuns: 1 }] });
    await retire("nightly");
    expect((await declared().rules(scopeOf(tenant))).rules).toEqual([]);
    const decide = (declarations: Declarations) => [
      declarations.rules("team"),
      declarations.ruleVersion("nightly", 1)?.limits?.length,
    ];
    const [answer] = await inScope(scopeOf(tenant), (transaction) =>
      createDecideByDeclarations()(transaction, [{ tenant, decide }]),
    );
    expect(answer).toEqual([[], 1]);
  });
});

describe("what a decision is made by", () => {
  const look = (decide: (declarations: Declarations) => unknown, by = createDecideByDeclarations(), of = tenant) =>
    inTransaction((transaction) => by(transaction, [{ tenant: of, decide }])).then(([answer]) => answer);

  it("is right from the first batch after each change, in every dispatcher", async () => {
    const all = (declared: Declarations) => [
      declared.rules("team").length,
      declared.profile("team")?.version,
      declared.version({ id: "evidence" })?.version,
    ];
    const dispatchers = [createDecideByDeclarations(), createDecideByDeclarations()];
    const bothSee = async (...wanted: unknown[]) =>
      expect(await Promise.all(dispatchers.map((by) => look(all, by)))).toEqual([wanted, wanted]);
    await bothSee(0, undefined, undefined);
    await publishVersion("1", { channel: "stable" });
    await bothSee(0, undefined, "1");
    await publishVersion("2");
    await publishVersion("2", { channel: "stable" });
    await bothSee(0, undefined, "2");
    await publishProfile();
    await bothSee(0, "1", "2");
    await putRule("a", 1, "evidence");
    await bothSee(1, "1", "2");
    await putRepository();
    const personas = ["2", "1"].map((version) => ({ id: "fixer", version, digest: version.repeat(64) }));
    for (const persona of personas)
      await inScope(scopeOf(tenant), async (transaction) => {
        await insertPersona(transaction, tenant, {
          ...persona,
          sizeBytes: 1,
          manifest: {},
          objectKey: "key",
          publishedBy: "ada",
        });
        await bumpRevision(transaction, tenant);
      });
    const rest = (declared: Declarations) => [
      declared.repository("shop")?.defaultRef,
      ...[undefined, "2", "3"].map((version) => declared.persona("fixer", version)?.version),
      declared.repository("other"),
    ];
    for (const by of dispatchers) expect(await look(rest, by)).toEqual(["main", "1", "2", undefined, undefined]);
  });

  it("is read when it is asked for, in steps, and once per change; the rest of what a tenant declares is never read", async () => {
    await publishProfile();
    await publishVersion("1", { channel: "stable" });
    await inScope(scopeOf(tenant), (transaction) =>
      transaction.query(
        `insert into workflow_versions (tenant, definition_id, version, plan, digest, published_by)
         select $1, 'other', n::text, jsonb_build_object('never', repeat(md5(n::text), 30000)), md5(n::text), 'ada' from generate_series(1, 50) as n`,
        [tenant],
      ),
    );
    const by = createDecideByDeclarations();
    const read = async () => {
      const answers: { rows: unknown[] }[] = [];
      await inTransaction(async (transaction) => {
        const watched: Transaction = {
          query: async (sql, values) => {
            const answer = await transaction.query(sql, values);
            answers.push(answer);
            return answer as never;
          },
        };
        await by(
          watched,
          Array.from({ length: 200 }, () => ({
            tenant,
            decide: (declared: Declarations) => {
              const known = declared.profile("team");
              return known === undefined ? undefined : declared.version({ id: "evidence" })?.version;
            },
          })),
        );
      });
      return { queries: answers.length, characters: JSON.stringify(answers.map(({ rows }) => rows)).length };
    };
    const first = await read();
    expect(first.queries).toBe(4); // revisions, profile, channels, version
    expect(first.characters).toBeLessThan(5_000);
    expect((await read()).queries).toBe(1);
    await publishVersion("2", { channel: "stable" });
    expect((await read()).queries).toBe(4);
    expect((await read()).queries).toBe(1);
  });

  it("is each tenant's own", async () => {
    await publishVersion("1", { channel: "stable" });
    const by = createDecideByDeclarations();
    const known = (declared: Declarations) => declared.hasDefinition("evidence");
    expect(await look(known, by)).toBe(true);
    expect(await look(known, by, `${tenant}-other`)).toBe(false);
  });
});

it("lets a profile have a hundred rules, and names the limit at the next one", async () => {
  for (let n = 0; n < 100; n += 1) await putRule(`rule-${n}`, 1, "evidence");
  await expect(putRule("rule-100", 1, "evidence")).rejects.toThrow(/profile_id "team" has 100 rules/);
  await putRule("rule-99", 2, "evidence");
});

it("refuses a declared thing that is larger than many can be held of, with both sizes", async () => {
  const argv = Array.from({ length: 100 }, () => "x".repeat(4_000));
  const plan: AutomationPlanJson = { steps: [{ id: "large", command: { argv } }] };
  await expect(publishVersion("1", { plan })).rejects.toThrow(/plan has 4\d{5} bytes as JSON and may have 262144/);
});
