import type { Pool } from "pg";
import { createReadDeclarations } from "../../src/definitions/declarations.ts";
import { createInTransaction, isDataError } from "../../src/postgres/in-tenant.ts";
import type { AcceptRequests } from "../../src/requests/accept-requests.ts";
import { createAcceptRequests } from "../../src/requests/accept-requests.ts";
import type { Delivery } from "../../src/requests/cloudevent.ts";
import { aRequest } from "./declared.ts";

/** Accepts what `urn:team` asks for tenant acme on the topic `requests`, as the dispatcher does. */
export const acceptInto = (dispatcher: Pool, knownRoles: readonly string[] = []): AcceptRequests =>
  createAcceptRequests({
    inTransaction: createInTransaction(dispatcher),
    readDeclarations: createReadDeclarations(),
    bindings: [{ cluster: "local", topic: "requests", source: "urn:team", tenants: ["acme"], types: ["asked"] }],
    knownRoles,
    isDataError,
    onDefect: (error) => {
      throw error;
    },
    now: () => new Date(),
  });

/** Headers of a binary event that `acceptInto` takes. */
export const eventHeaders = (id: string): Record<string, string> => ({
  "content-type": "application/json",
  ce_specversion: "1.0",
  ce_id: id,
  ce_source: "urn:team",
  ce_type: "asked",
  ce_tenantid: "acme",
  ce_orgid: "retail",
});

let offset = 0;
/** A binary CloudEvent at the next position of the topic. @param data - bytes and text stand as they are */
export function aDelivery(id: string, data: unknown = aRequest(), headers: Record<string, string> = {}): Delivery {
  offset += 1;
  return {
    position: `kafka:local/requests/0/${offset}`,
    cluster: "local",
    topic: "requests",
    key: id,
    headers: { ...eventHeaders(id), ...headers },
    value: data instanceof Uint8Array ? data : Buffer.from(typeof data === "string" ? data : JSON.stringify(data)),
  };
}
