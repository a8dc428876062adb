import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { getOption, hasOption } from "@bufbuild/protobuf";
import { Permission, permission } from "../../../gen/automation/v1/method_options_pb.ts";

/** @returns the permission that a method asks for; UNSPECIFIED when it has none, and then nobody may call it */
export function permissionOf(method: DescMethod): Permission {
  return hasOption(method, permission) ? getOption(method, permission) : Permission.UNSPECIFIED;
}

/** @throws Error that names every method without a permission */
export function assertPermissions(services: readonly DescService[]): void {
  const open = services
    .flatMap((service) => service.methods)
    .filter((method) => permissionOf(method) === Permission.UNSPECIFIED)
    .map(methodName);
  if (open.length > 0) throw new Error(`these methods have no option (automation.v1.permission): ${open.join(", ")}`);
}

/** @returns for example `workflows_runtime.v1.WorkflowService/CancelWorkflowRun` */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
