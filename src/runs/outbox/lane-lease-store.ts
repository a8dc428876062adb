import type { Transaction } from "../../tenancy/transaction.ts";

/** A lane that a relay holds; each new lease has a higher epoch. */
export interface HeldLane {
  readonly lane: number;
  readonly epoch: number;
}

/** How long a lease lasts, in seconds of database time. */
const leaseSeconds = 10;

/** Takes every lane whose lease has ended. */
export async function takeFreeLanes(transaction: Transaction, owner: string): Promise<HeldLane[]> {
  const { rows } = await transaction.query<HeldLane>(
    `update relay_lanes as l set owner = $1, epoch = l.epoch + 1, leased_until = clock_timestamp() + make_interval(secs => $2)
     from (select lane from relay_lanes where leased_until <= clock_timestamp() for update skip locked) as free
     where l.lane = free.lane returning l.lane, l.epoch`,
    [owner, leaseSeconds],
  );
  return rows;
}

/** Statement that renews leases and returns the lanes that are still held. @param lanes, epochs - its parameters */
export const renewal = (lanes: string, epochs: string): string =>
  `update relay_lanes as l set leased_until = clock_timestamp() + make_interval(secs => ${leaseSeconds})
   from unnest(${lanes}::int[], ${epochs}::bigint[]) as held (lane, epoch)
   where l.lane = held.lane and l.epoch = held.epoch returning l.lane`;

/** Renews leases. @returns the lanes that are still held; the others have another owner */
export async function renewLanes(transaction: Transaction, lanes: readonly HeldLane[]): Promise<number[]> {
  const { rows } = await transaction.query<{ lane: number }>(renewal("$1", "$2"), laneColumns(lanes));
  return rows.map((row) => row.lane);
}

/** Ends leases early. */
export async function freeLanes(transaction: Transaction, lanes: readonly HeldLane[]): Promise<void> {
  await transaction.query(
    `update relay_lanes as l set leased_until = '-infinity'
     from unnest($1::int[], $2::bigint[]) as held (lane, epoch) where l.lane = held.lane and l.epoch = held.epoch`,
    laneColumns(lanes),
  );
}

/** Numbers and epochs, as parameters. */
export const laneColumns = (lanes: readonly HeldLane[]) => [
  lanes.map(({ lane }) => lane),
  lanes.map(({ epoch }) => epoch),
];
