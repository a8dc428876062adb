import type { DescFile, DescMethodBiDiStreaming, DescService } from "@bufbuild/protobuf";
import { createRegistry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { MethodImpl } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type {
  ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { shownText } from "../../text/strangers-text.ts";

const { serverReflectionInfo } = ServerReflection.method;
type Info = DescMethodBiDiStreaming<typeof ServerReflectionRequestSchema, typeof ServerReflectionResponseSchema>;

/** Reflection v1, and v1alpha for older tools: the same messages under another package name. */
export const reflectionMethods: readonly Info[] = [
  serverReflectionInfo,
  {
    ...serverReflectionInfo,
    parent: { ...ServerReflection, typeName: ServerReflection.typeName.replace(".v1.", ".v1alpha.") },
  },
];

/** gRPC server reflection: tools like grpcurl need no proto files. For development, since it needs no token. */
export function createReflection(services: readonly DescService[]): MethodImpl<Info> {
  const files = new Map<string, DescFile>();
  for (const { file } of services) collect(file, files);
  const registry = createRegistry(...files.values());

  /** The file of a symbol; a method or field is in the file of its parent. */
  const fileOf = (symbol: string): DescFile | undefined =>
    (registry.get(symbol) ?? registry.get(symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")))))?.file;
  const extensionsOf = (typeName: string) =>
    [...registry].flatMap((each) => (each.kind === "extension" && each.extendee.typeName === typeName ? [each] : []));

  const answer = ({ messageRequest: { case: asked, value } }: ServerReflectionRequest) => {
    switch (asked) {
      case "listServices":
        return {
          case: "listServicesResponse" as const,
          value: { service: services.map(({ typeName }) => ({ name: typeName })) },
        };
      case "fileByFilename":
        return filesResponse(files.get(value), value);
      case "fileContainingSymbol":
        return filesResponse(fileOf(value), value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = value;
        const found = extensionsOf(containingType).find(({ number }) => number === extensionNumber);
        return filesResponse(found?.file, `${containingType} ${extensionNumber}`);
      }
      case "allExtensionNumbersOfType":
        if (registry.getMessage(value) === undefined) return notFound(value);
        return {
          case: "allExtensionNumbersResponse" as const,
          value: { baseTypeName: value, extensionNumber: extensionsOf(value).map(({ number }) => number) },
        };
      default:
        return errorResponse(Code.InvalidArgument, "the request asks for nothing; set one field of message_request");
    }
  };

  return async function* (requests) {
    for await (const request of requests)
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
  };
}

/** Adds the imports of a file before the file. */
function collect(file: DescFile, files: Map<string, DescFile>): void {
  if (files.has(file.proto.name)) return;
  for (const dependency of file.dependencies) collect(dependency, files);
  files.set(file.proto.name, file);
}

function filesResponse(file: DescFile | undefined, asked: string) {
  if (file === undefined) return notFound(asked);
  const needed = new Map<string, DescFile>();
  collect(file, needed);
  const fileDescriptorProto = [...needed.values()]
    .reverse()
    .map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } };
}

const notFound = (asked: string) => errorResponse(Code.NotFound, `nothing is named "${shownText(asked, 200)}" here`);

function errorResponse(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}
