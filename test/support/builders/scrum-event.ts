import { textHeaders } from "../../../src/runs/outbox/bus-record.ts";

/**
 * A request for a run on one backlog item, as the Scrum service of the local stack publishes it: a CloudEvent in Kafka's binary mode.
 * @param more - fields of RunRequested beside the profile and the context
 */
export function scrumEvent(
  id: string,
  backlogItem: string,
  more: { readonly profile: { readonly id: string } } & Readonly<Record<string, unknown>>,
) {
  const data = {
    context: { scrum: { product: "webshop", sprint: "S-7", backlogItems: [backlogItem] } },
    workKind: "story",
    ...more,
  };
  return {
    key: id,
    headers: textHeaders({
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: id,
      ce_source: "urn:example:scrum",
      ce_type: "automation.run.requested.v1",
      ce_tenantid: "acme",
      ce_orgid: "retail",
    }),
    body: Buffer.from(JSON.stringify(data)),
  };
}
