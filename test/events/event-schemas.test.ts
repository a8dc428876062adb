import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { clone } from "../support/engines/stack.ts";
import { commentsOf, eventSchema } from "./event-schema.ts";
import { events } from "./events.ts";

const built = execFileSync("buf", ["build", "--as-file-descriptor-set", "-o", "-"], { cwd: clone });
const comments = commentsOf(fromBinary(FileDescriptorSetSchema, built));

it.each(events)("docs/events has the JSON Schema of $type as the protos say it", async (event) => {
  const schema = eventSchema(event.message, event.schemaId, comments, event.isClosed);
  const file = join(clone, "docs/events", `${event.type}.schema.json`);
  await expect(`${JSON.stringify(schema, undefined, 2)}\n`).toMatchFileSnapshot(file);
});
