import { describe, expect, it } from "vitest";
import { Permission } from "../../../gen/automation/v1/method_options_pb.ts";
import { ScrumService } from "../../../gen/scrum/v1/scrum_service_pb.ts";
import { services } from "../routes.ts";
import { assertPermissions, methodName, permissionOf } from "./permission-of.ts";

describe("the permission of a method", () => {
  it("is stated by every method that is served", () => {
    const methods = services.flatMap((service) => service.methods);
    expect(methods.length).toBeGreaterThan(20);
    expect(methods.filter((method) => permissionOf(method) === Permission.UNSPECIFIED).map(methodName)).toEqual([]);
    expect(() => assertPermissions(services)).not.toThrow();
  });

  it("when it is missing keeps its service from being served at all", () => {
    expect(() => assertPermissions([...services, ScrumService])).toThrow(/scrum\.v1\.ScrumService\/RaiseImpediment/);
  });
});
