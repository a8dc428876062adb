import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";
import { getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import type { FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import * as validate from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

type Schema = Readonly<Record<string, unknown>>;

/** Comments of the proto files, by the full name of a message or enum, or `<message>.<field>`. */
export type Comments = ReadonlyMap<string, string>;

/**
 * Writes the proto JSON of a message as a JSON Schema of draft 07, which AsyncAPI 3 reads as it is. Names are lowerCamelCase.
 * Rules of protovalidate stand in it as far as JSON Schema has them: what breaks it is no such event, what keeps it may still be refused.
 * @param isClosed - whether a field that the schema does not have is refused
 */
export function eventSchema(message: DescMessage, id: string, comments: Comments, isClosed: boolean): Schema {
  const definitions = new Map<string, Schema | undefined>();
  const root = messageSchema(message, { comments, isClosed, definitions });
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    $id: id,
    title: message.typeName,
    ...root,
    definitions: Object.fromEntries([...definitions].toSorted(([left], [right]) => (left < right ? -1 : 1))),
  };
}

interface Writing {
  readonly comments: Comments;
  readonly isClosed: boolean;
  /** What is referred to so far; undefined while it is written. */
  readonly definitions: Map<string, Schema | undefined>;
}

function messageSchema(message: DescMessage, writing: Writing): Schema {
  const required = message.fields.filter(isRequired).map(({ jsonName }) => jsonName);
  const choices = message.oneofs.map((oneof) => {
    const one = oneof.fields.map(({ jsonName }) => ({ required: [jsonName] }));
    const isNeeded = hasOption(oneof, validate.oneof) && getOption(oneof, validate.oneof).required;
    return { oneOf: isNeeded ? one : [...one, { not: { anyOf: one } }] };
  });
  return {
    ...described(message.typeName, writing),
    type: "object",
    properties: Object.fromEntries(message.fields.map((field) => [field.jsonName, propertySchema(field, writing)])),
    ...(required.length > 0 && { required }),
    ...(choices.length > 0 && { allOf: choices }),
    ...(writing.isClosed && { additionalProperties: false }),
  };
}

function propertySchema(field: DescField, writing: Writing): Schema {
  const about = described(`${field.parent.typeName}.${field.name}`, writing);
  const own = fieldSchema(field, writing);
  const standsAlone = "$ref" in own && Object.keys(about).length > 0; // draft 07 ignores what stands beside a reference
  return { ...about, ...(standsAlone ? { allOf: [own] } : own) };
}

const described = (name: string, { comments }: Writing): Schema => {
  const comment = comments.get(name);
  return comment === undefined ? {} : { description: comment };
};

const rulesOf = (field: DescField): FieldRules | undefined =>
  hasOption(field, validate.field) ? getOption(field, validate.field) : undefined;

/** A field that proto JSON leaves out has its zero value: it is required when a rule refuses that. */
function isRequired(field: DescField): boolean {
  const rules = rulesOf(field);
  if (rules === undefined) return false;
  if (rules.required) return true;
  const { case: kind, value } = rules.type;
  if (kind === "repeated") return value.minItems > 0n;
  if (kind !== "string" || field.oneof !== undefined) return false;
  return value.minLen > 0n || (value.pattern !== "" && !new RegExp(value.pattern, "u").test(""));
}

function fieldSchema(field: DescField, writing: Writing): Schema {
  const rules = rulesOf(field);
  switch (field.fieldKind) {
    case "scalar":
      return scalarSchema(field.scalar, rules);
    case "enum":
      return enumReference(field.enum, writing);
    case "message":
      return messageReference(field.message, writing);
    case "map":
      return { type: "object", additionalProperties: elementSchema(field, undefined, writing) };
    case "list": {
      const repeated = rules?.type.case === "repeated" ? rules.type.value : undefined;
      return {
        type: "array",
        items: elementSchema(field, repeated?.items, writing),
        ...(repeated && numbers({ minItems: repeated.minItems, maxItems: repeated.maxItems })),
        ...(repeated?.unique && { uniqueItems: true }),
      };
    }
  }
}

function elementSchema(
  field: DescField & { fieldKind: "list" | "map" },
  rules: FieldRules | undefined,
  writing: Writing,
): Schema {
  const kind = field.fieldKind === "list" ? field.listKind : field.mapKind;
  if (kind === "scalar" && field.scalar !== undefined) return scalarSchema(field.scalar, rules);
  if (field.enum !== undefined) return enumReference(field.enum, writing);
  if (field.message !== undefined) return messageReference(field.message, writing);
  throw new Error(`${field.toString()} has elements of no kind that is known`);
}

function scalarSchema(scalar: ScalarType, rules: FieldRules | undefined): Schema {
  switch (scalar) {
    case ScalarType.STRING: {
      const own = rules?.type.case === "string" ? rules.type.value : undefined;
      return {
        type: "string",
        ...(own && numbers({ minLength: own.minLen, maxLength: own.maxLen || own.maxBytes })),
        ...(own?.pattern && { pattern: own.pattern }),
        ...(rules?.required && { minLength: 1 }),
      };
    }
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32: {
      const own = rules?.type.case === "int32" || rules?.type.case === "uint32" ? rules.type.value : undefined;
      const { greaterThan: least, lessThan: most } = own ?? {};
      return {
        type: "integer",
        ...(least?.case === "gte" && { minimum: least.value }),
        ...(most?.case === "lte" && { maximum: most.value }),
      };
    }
    default:
      return { type: "string", pattern: "^-?[0-9]+$" }; // 64 bits: proto JSON has them as text
  }
}

const numbers = (limits: Readonly<Record<string, bigint>>): Schema =>
  Object.fromEntries(Object.entries(limits).flatMap(([name, limit]) => (limit === 0n ? [] : [[name, Number(limit)]])));

/** Messages whose proto JSON is no object of their fields. */
const wellKnown: Readonly<Record<string, Schema>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
};

function messageReference(message: DescMessage, writing: Writing): Schema {
  const known = wellKnown[message.typeName];
  if (known !== undefined) return known;
  if (message.typeName.startsWith("google.protobuf.")) throw new Error(`${message.typeName} has no schema here`);
  return define(message.typeName, writing, () => messageSchema(message, writing));
}

/** The first value means that the field is not set, and is left out. */
const enumReference = (description: DescEnum, writing: Writing): Schema =>
  define(description.typeName, writing, () => ({
    ...described(description.typeName, writing),
    type: "string",
    enum: description.values.filter(({ number }) => number !== 0).map(({ name }) => name),
  }));

function define(name: string, { definitions }: Writing, write: () => Schema): Schema {
  if (!definitions.has(name)) {
    definitions.set(name, undefined);
    definitions.set(name, write());
  }
  return { $ref: `#/definitions/${name}` };
}

/** Numbers of the fields by which the source info of a file names its parts. */
const part = { messages: 4, enums: 5, fields: 2 };

/** @param set - built with its comments, as `buf build` does */
export function commentsOf(set: FileDescriptorSet): Comments {
  const comments = new Map<string, string>();
  for (const file of set.file) {
    const locations = new Map(
      (file.sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [
        path.join("."),
        leadingComments.trim(),
      ]),
    );
    const note = (name: string, path: string) => {
      const comment = locations.get(path);
      if (comment) comments.set(name, comment.replaceAll(/\n\s*/g, "\n"));
    };
    for (const [at, message] of file.messageType.entries()) {
      const path = `${part.messages}.${at}`;
      note(`${file.package}.${message.name}`, path);
      for (const [n, field] of message.field.entries())
        note(`${file.package}.${message.name}.${field.name}`, `${path}.${part.fields}.${n}`);
    }
    for (const [at, { name }] of file.enumType.entries()) note(`${file.package}.${name}`, `${part.enums}.${at}`);
  }
  return comments;
}
