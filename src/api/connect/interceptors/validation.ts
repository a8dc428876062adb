import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonsOfViolations } from "../../../definitions/rejection-reason.ts";
import { ReasonSchema } from "../../../gen/automation/v1/run_event_pb.ts";

const remedy = "correct the field and call again; the comments of the proto tell its rule";

/** Checks each request against the rules of its proto. All broken rules are reported at once, with one `automation.v1.Reason` each. */
export function createValidation(): Interceptor {
  const validator = createValidator();
  const check = <M extends DescMessage>(schema: M, message: MessageShape<M>): void => {
    const checked = validator.validate(schema, message);
    if (checked.kind === "valid") return;
    if (checked.kind === "error") throw checked.error;
    const reasons = reasonsOfViolations(checked.violations, message).map((reason) => ({ ...reason, remedy }));
    const [first] = reasons;
    const told = first === undefined ? "" : `: ${first.field} "${first.value}" ${first.rule}`;
    const more = reasons.length > 1 ? `, and ${reasons.length - 1} more` : "";
    throw new ConnectError(
      `the request breaks a rule of ${schema.typeName}${told}${more}`,
      Code.InvalidArgument,
      undefined,
      reasons.map((reason) => ({ desc: ReasonSchema, value: create(ReasonSchema, reason) })),
    );
  };
  return (next) => async (request) => {
    if (!request.stream) {
      check(request.method.input, request.message);
      return next(request);
    }
    return next({ ...request, message: checking(request.message, (message) => check(request.method.input, message)) });
  };
}

async function* checking<T>(messages: AsyncIterable<T>, check: (message: T) => void): AsyncGenerator<T> {
  for await (const message of messages) {
    check(message);
    yield message;
  }
}
