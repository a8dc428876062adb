import { once } from "node:events";
import { parentPort } from "node:worker_threads";
import { Ajv2020 } from "ajv/dist/2020.js";

/** A thread that checks untrusted texts: a pattern may take for ever, and then the thread is ended. It sends `ready`, gets the texts, and answers. */
if (parentPort !== null) {
  parentPort.postMessage("ready");
  const [{ schema, result }] = (await once(parentPort, "message")) as [{ schema: string; result: string }];
  parentPort.postMessage(judge(schema, result));
}

/** @returns what is wrong with the result; empty: nothing */
function judge(schema: string, result: string): string {
  try {
    const ajv = new Ajv2020({ strict: false, validateFormats: false, logger: false, addUsedSchema: false });
    const validate = ajv.compile({ ...JSON.parse(schema), $async: false });
    if (validate(JSON.parse(result))) return "";
    const [first] = validate.errors ?? [];
    const facts = Object.values(first?.params ?? {}).join(", ");
    return `result${first?.instancePath ?? ""} ${first?.message ?? "does not meet it"}${facts === "" ? "" : ` (${facts})`}; rule ${first?.schemaPath ?? "#"}`;
  } catch (error) {
    return `the schema can't be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
