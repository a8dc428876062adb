import { Consumer, ListOffsetTimestamps, stringDeserializers } from "@platformatic/kafka";
import pg from "pg";
import { governanceTopic, quarantineTopic, requestTopic, runEventTopic } from "../../../src/runs/outbox/topics.ts";
import { eventFaults } from "./event-faults.ts";
import { hashEvent } from "./hash-event.ts";

/** Where a whole stack is looked at: as a superuser, so that nothing hides behind row-level security. */
export interface Stack {
  readonly postgresUrl: string;
  readonly brokers: readonly string[];
  readonly cluster: string;
}

export interface Violation {
  readonly invariant: string;
  readonly detail: string;
}

export interface Findings {
  readonly violations: readonly Violation[];
  /** What was seen; a check that saw nothing proves nothing. */
  readonly counts: Readonly<
    Record<"requested" | "dispositions" | "runs" | "ended" | "completed" | "published", number>
  >;
}

/** Proves I1–I4 over Postgres and the bus: nothing lost, one run per identity, truthful ends, ordered events. */
export async function findViolations(stack: Stack, signal: AbortSignal): Promise<Findings> {
  const client = new pg.Client({ connectionString: stack.postgresUrl, query_timeout: 60_000 });
  await client.connect();
  try {
    const violations: Violation[] = [];
    const report = (invariant: string, rows: readonly object[]) =>
      violations.push(...rows.map((row) => ({ invariant, detail: JSON.stringify(row) })));
    const ask = async (invariant: string, sql: string) => report(invariant, (await client.query(sql)).rows);

    const requested = await readTopic(stack, requestTopic, signal);
    const dispositions = await positionsWithDisposition(client);
    report(
      "I1 each delivery has exactly one disposition",
      requested
        .map(
          ({ topicId, partition, offset }) =>
            `kafka:${stack.cluster}/${requestTopic}@${topicId}/${partition}/${offset}`,
        )
        .filter((position) => dispositions.get(position) !== 1)
        .map((position) => ({ position, dispositions: dispositions.get(position) ?? 0 })),
    );
    const quarantined = await readTopic(stack, quarantineTopic, signal);
    const origins = new Set(quarantined.map(({ headers }) => headers["quarantine-origin"]));
    const { rows: quarantinedRows } = await client.query<{ position: string }>(
      `select position from platform_deliveries
       union all select position from deliveries where disposition = 'quarantined'
       union all select position from run_requests where disposition = 'quarantined' and position like 'kafka:%'`,
    );
    report(
      "I1 each quarantined delivery is on the quarantine topic",
      quarantinedRows.filter(({ position }) => !origins.has(position)),
    );

    await ask(
      "I2 one run per identity",
      "select tenant, source, event_id, count(*) from runs group by 1, 2, 3 having count(*) > 1",
    );
    await ask(
      "I2 each accepted request has its run, and each run its request",
      `select coalesce(q.run_id, r.run_id) as run from (select * from run_requests where disposition = 'accepted') q
       full join runs r on r.tenant = q.tenant and r.run_id = q.run_id where q.run_id is null or r.run_id is null`,
    );
    await ask(
      "I1 no run is left without an end",
      "select run_id, status, admitted_at, begun_at from runs where status not in ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')",
    );
    await ask("I10 the queue holds no run that has begun or ended", "select run_id from run_queue");
    await ask("a run that has ended holds no place under a limit", "select run_id, key from queue_places");
    await ask(
      "I3 an end has its seal and only COMPLETED a committed one",
      `select r.run_id, r.status, s.state, s.outcome from runs r left join seals s using (tenant, run_id)
       where r.ended_at is not null and (s.state is distinct from case r.status when 'COMPLETED' then 'COMMITTED' else 'ABORTED' end or s.outcome <> r.status)`,
    );
    await ask(
      "I3 an end has its verdict and only COMPLETED one that passed",
      `select r.run_id, r.status, v.verdict from runs r left join verdicts v
         on v.tenant = r.tenant and v.run_id = r.run_id and v.judgement = case r.status when 'COMPLETED' then 'COMPLETION' else 'END' end
       where r.ended_at is not null and coalesce(v.verdict->>'passed', 'absent') <> case r.status when 'COMPLETED' then 'true' else 'false' end`,
    );
    await ask(
      "I3 nothing registered contradicts the end, and each end has its attestations",
      `select r.run_id, r.status, count(a.*) from runs r left join attestations a on a.tenant = r.tenant and a.run_id = r.run_id and a.status = 'REGISTERED' and a.seal_outcome = r.status
       left join work_reports w on w.tenant = r.tenant and w.run_id = r.run_id
       where r.ended_at is not null group by r.run_id, r.status, w.report
       having count(a.*) <> case r.status when 'COMPLETED' then 3 else 2 end
         + case when w.report ? 'capture' then 1 else 0 end + jsonb_array_length(coalesce(w.report->'documents', '[]'))
         + (select count(*) from jsonb_array_elements(coalesce(w.report->'tests', '[]')) t where t->'onBase' is null)
       union all select run_id, seal_outcome, 0 from attestations a where status = 'REGISTERED' and seal_outcome <> (select status from runs r where r.tenant = a.tenant and r.run_id = a.run_id)
       union all select run_id, status, 0 from attestations where status = 'PROVISIONAL' and run_id in (select run_id from runs where ended_at is not null)`,
    );
    await ask(
      "I3 what a work uploaded is an artifact once the run has ended, and nothing else is",
      `select u.run_id, u.name from (select w.tenant, w.run_id, u->>'name' as name, u->>'sha256' as sha256 from work_reports w, jsonb_array_elements(w.uploads) u) u
       join runs r using (tenant, run_id) full join (select * from artifacts where kind <> 'event_log') a using (tenant, run_id, name, sha256)
       where (r.ended_at is not null) <> (a.artifact_id is not null)`,
    );
    await ask(
      "I3 COMPLETED had every try acknowledged",
      "select c.run_id, c.rpc, c.state from handoff_calls c join runs r using (tenant, run_id) where r.status = 'COMPLETED' and c.phase = 'TRY' and c.state <> 'ACKNOWLEDGED'",
    );
    await ask(
      "I4 sequences are gapless and closed",
      `select s.run_id, s.last_sequence, count(e.*), max(e.sequence), s.closed from run_streams s join run_events e using (tenant, run_id) join runs r using (tenant, run_id)
       group by s.tenant, s.run_id, s.last_sequence, s.closed, r.ended_at having count(e.*) <> s.last_sequence or max(e.sequence) <> s.last_sequence or s.closed <> (r.ended_at is not null)`,
    );
    await ask("I4 nothing waits for the relay", "select id, kind, run_id from outbox limit 5");
    report("I4 events are chained", await brokenChains(client));

    const told = await readTopic(stack, runEventTopic, signal);
    const governance = await readTopic(stack, governanceTopic, signal);
    const refusals = new Set(governance.map(({ value }) => JSON.parse(value).position));
    const { rows: refused } = await client.query<{ position: string }>(
      `select position from run_requests where disposition in ('rejected', 'quarantined')
       union all select position from deliveries where disposition in ('conflict', 'quarantined')`,
    );
    report(
      "I4 each delivery that a tenant must hear of is told on the bus",
      refused.filter(({ position }) => !refusals.has(position)),
    );
    report(
      "each event on the bus is what docs/events says",
      [...told, ...governance].flatMap(({ headers, value }) =>
        eventFaults(headers.ce_type ?? "", headers, JSON.parse(value)).map((fault) => ({ id: headers.ce_id, fault })),
      ),
    );
    report(
      "each quarantined original has the headers that docs/events says",
      quarantined.flatMap(({ headers, offset }) =>
        eventFaults("original", headers, undefined).map((fault) => ({ offset, fault })),
      ),
    );
    const published = told.filter((message) => /^[0-9a-f-]{36}\/\d+$/.test(message.headers.ce_id ?? ""));
    report("I4 the bus has each event, and no other, in order per run", await misordered(client, published));

    const counts = await client.query(
      `select (select count(*) from runs) as runs, (select count(*) from runs where ended_at is not null) as ended,
              (select count(*) from runs where status = 'COMPLETED') as completed`,
    );
    const { runs, ended, completed } = counts.rows[0];
    return {
      violations,
      counts: {
        requested: requested.length,
        dispositions: dispositions.size,
        runs: Number(runs),
        ended: Number(ended),
        completed: Number(completed),
        published: published.length,
      },
    };
  } finally {
    await client.end();
  }
}

async function positionsWithDisposition(client: pg.Client): Promise<Map<string, number>> {
  const { rows } = await client.query<{ position: string; times: string }>(
    `select position, count(*) as times from (
       select position from run_requests union all select position from deliveries union all select position from platform_deliveries
     ) as every_delivery group by position`,
  );
  return new Map(rows.map((row) => [row.position, Number(row.times)]));
}

async function brokenChains(client: pg.Client): Promise<object[]> {
  const { rows } = await client.query("select run_id, sequence, hash, event from run_events order by run_id, sequence");
  const broken: object[] = [];
  let last = { runId: "", hash: "" };
  for (const row of rows) {
    const previous = row.run_id === last.runId ? last.hash : "0".repeat(64);
    if (hashEvent(row.event) !== row.hash || row.event.prevHash !== previous)
      broken.push({ runId: row.run_id, sequence: row.sequence });
    last = { runId: row.run_id, hash: row.hash };
  }
  return broken;
}

async function misordered(client: pg.Client, published: readonly BusMessage[]): Promise<object[]> {
  const seen = new Map<string, number>();
  const faults: object[] = [];
  for (const message of published) {
    const [runId = "", sequence = ""] = (message.headers.ce_id ?? "").split("/");
    const highest = seen.get(runId) ?? 0;
    if (message.key !== runId) faults.push({ runId, key: message.key });
    if (Number(sequence) > highest + 1) faults.push({ runId, sequence, after: highest });
    seen.set(runId, Math.max(highest, Number(sequence)));
  }
  const onBus = new Set(published.map(({ headers }) => headers.ce_id ?? ""));
  const { rows: events } = await client.query<{ id: string; isPublished: boolean }>(
    `select e.run_id || '/' || e.sequence as id, e.sequence <= s.published_sequence as "isPublished"
     from run_events e join run_streams s using (tenant, run_id)`,
  );
  const known = new Set(events.map(({ id }) => id));
  faults.push(
    ...events.filter(({ id }) => !onBus.has(id)).map(({ id, isPublished }) => ({ missing: id, isPublished })),
  );
  faults.push(...events.filter(({ isPublished }) => !isPublished).map(({ id }) => ({ notWrittenDown: id })));
  faults.push(...[...onBus].filter((id) => !known.has(id)).map((id) => ({ unknown: id })));
  return faults;
}

export interface BusMessage {
  readonly topicId: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** Everything a topic holds now, per partition in order. */
export async function readTopic(
  { brokers }: Pick<Stack, "brokers">,
  topic: string,
  signal: AbortSignal,
): Promise<BusMessage[]> {
  const groupId = `reader-${crypto.randomUUID()}`;
  const consumer = new Consumer({
    clientId: "reader",
    groupId,
    bootstrapBrokers: [...brokers],
    maxWaitTime: 100,
    autocommit: false,
    deserializers: stringDeserializers,
  });
  const abort = () => consumer.close(true);
  signal.addEventListener("abort", abort, { once: true });
  try {
    const [lows, highs] = [
      await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.EARLIEST }),
      await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST }),
    ].map((offsets) => offsets.get(topic) ?? []);
    const open = new Map(
      (highs ?? []).flatMap((high, partition) => (high === lows?.[partition] ? [] : [[partition, high]])),
    );
    const messages: BusMessage[] = [];
    if (open.size === 0) return messages;
    const { topics } = await consumer.metadata({ topics: [topic] });
    const topicId = topics.get(topic)?.id ?? "";
    const stream = await consumer.consume({ topics: [topic], mode: "earliest" });
    for await (const { partition, offset, key, headers, value } of stream) {
      messages.push({
        topicId,
        partition,
        offset: String(offset),
        key: key ?? "",
        headers: Object.fromEntries(headers),
        value: value ?? "",
      });
      if (offset + 1n >= (open.get(partition) ?? 0n)) open.delete(partition);
      if (open.size === 0) break;
    }
    signal.throwIfAborted();
    return messages;
  } finally {
    signal.removeEventListener("abort", abort);
    await consumer.close(true);
  }
}
