// Posts what npm cloudevents makes of the request. Arguments: url, request.json, request.binpb.
import { readFileSync } from "node:fs";
import { CloudEvent, emitterFor, httpTransport, Mode } from "cloudevents";

const [url, json, binpb] = process.argv.slice(2);
const attributes = {
  source: "urn:example:team",
  type: "automation.run.requested.v1",
  subject: 'B-1 "50 %"',
  time: "2026-02-03T04:05:06.789Z",
  dataschema: "urn:example:schemas/asked",
  tenantid: "acme",
  orgid: "retail",
  correlationid: "c-1",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "vendor=one",
  attempt: 2,
  replayed: true,
};
const asJson = { datacontenttype: "application/json", data: JSON.parse(readFileSync(json, "utf8")) };
const asProtobuf = { datacontenttype: "application/protobuf", data: new Uint8Array(readFileSync(binpb)) };

for (const [name, mode, data] of [
  ["binary", Mode.BINARY, asJson],
  ["structured", Mode.STRUCTURED, asJson],
  ["binary-protobuf", Mode.BINARY, asProtobuf],
  ["structured-protobuf", Mode.STRUCTURED, asProtobuf],
]) {
  const id = `javascript-http-${name}`;
  await emitterFor(httpTransport(`${url}/${id}`), { mode })(new CloudEvent({ id, ...attributes, ...data }));
}
