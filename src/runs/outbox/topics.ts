/** Topics of the bus. */
export const requestTopic = "automation.run.requested";
export const runEventTopic = "automation.run.event";
/** What became of requests that are no runs. */
export const governanceTopic = "automation.governance.event";
export const quarantineTopic = "automation.run.requested.quarantine";

/** Of the dispatchers, which share the requests. */
export const requestGroup = "automation-dispatcher";

/** Number of outbox lanes; `relay_lanes` has a row for each. */
export const laneCount = 4;

/** @returns the lane, 0 to `laneCount` - 1, in which everything of one key stays in order */
export function laneOf(key: string): number {
  let hash = 0;
  for (const character of key) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return hash % laneCount;
}
