import type { JsMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";
import { headers } from "@nats-io/transport-node";
import type { Delivery } from "../../requests/delivery.ts";
import type { BusRecord, Header } from "../../runs/outbox/bus-record.ts";

/**
 * The CloudEvents NATS protocol binding 1.0 has attributes in headers `ce-NAME`, percent-encoded like those of HTTP; the port has them as `ce_NAME` in UTF-8.
 * A record's key is the CloudEvents attribute `partitionkey`: NATS itself has no keys.
 */
const theirs = "ce-";
const ours = "ce_";
const keyHeader = `${theirs}partitionkey`;

/** The stream that a message is in. */
export interface StreamIdentity {
  readonly name: string;
  /** RFC 3339; another stream of the same name has another one. */
  readonly created: string;
}

/** The message as the port has it. Its position is `nats:<cluster>/<stream>@<created>/<sequence>`; an empty body is none. */
export function toDelivery(message: JsMsg, cluster: string, { name, created }: StreamIdentity): Delivery {
  const { headers: own, data, subject, seq, time } = message;
  const key = own?.has(keyHeader) ? decoded(own.get(keyHeader)) : null;
  return {
    bus: "nats",
    cluster,
    topic: subject,
    position: `nats:${cluster}/${name}@${created}/${seq}`,
    key,
    headers: own === undefined ? [] : headersOf(own),
    body: data.length === 0 ? null : data,
    producedAt: time,
  };
}

const headersOf = (own: MsgHdrs): Header[] =>
  own.keys().flatMap((name): Header[] => {
    const lower = name.toLowerCase();
    if (lower === keyHeader || lower.startsWith("nats-")) return [];
    const isAttribute = lower.startsWith(theirs);
    return own
      .values(name)
      .map((value) => [
        isAttribute ? `${ours}${lower.slice(theirs.length)}` : name,
        Buffer.from(isAttribute ? decoded(value) : value),
      ]);
  });

/** @param id - by which the server knows a message that is sent again */
export function toHeaders({ key, headers: given }: BusRecord, id: string): MsgHdrs {
  const own = headers();
  own.set("Nats-Msg-Id", id);
  if (key !== null) own.set(keyHeader, encoded(key));
  for (const [name, bytes] of given) {
    const value = Buffer.from(bytes).toString("utf8");
    if (name.startsWith(ours)) own.append(`${theirs}${name.slice(ours.length)}`, encoded(value));
    else own.append(name, value.replaceAll(/[\r\n]+/g, " "));
  }
  return own;
}

/** As the CloudEvents HTTP binding 1.0, section 3.1.3.2, has it: space, quote, percent and all outside printable ASCII. */
const encoded = (text: string): string =>
  text.replaceAll(/[^!#-$&-~]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );

/** Bytes that are no UTF-8 become replacement characters. */
function decoded(value: string): string {
  if (!value.includes("%")) return value;
  const bytes = Buffer.from(value);
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const hex = /^%([0-9a-fA-F]{2})/.exec(bytes.toString("latin1", at, at + 3))?.[1];
    out.push(hex === undefined ? (bytes[at] ?? 0) : Number.parseInt(hex, 16));
    if (hex !== undefined) at += 2;
  }
  return Buffer.from(out).toString("utf8");
}
