import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { PublishProfile } from "../../definitions/publish-profile.ts";
import type { ReadDeclared } from "../../definitions/read-declared.ts";
import { ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import type { ProfileService } from "../../gen/governance/v1/profile_service_pb.ts";
import { GetProfileResponseSchema, ListProfilesResponseSchema } from "../../gen/governance/v1/profile_service_pb.ts";
import { answerOf } from "./answer-of.ts";
import { principalOf } from "./interceptors/request-context.ts";

/** What methodologies require of a run's end. */
export function createProfileService(deps: {
  readonly publishProfile: PublishProfile;
  readonly readDeclared: Pick<ReadDeclared, "profile" | "profiles">;
}): ServiceImpl<typeof ProfileService> {
  return {
    publishProfile: ({ profile }, context) =>
      deps.publishProfile(profile ?? create(ProfileSchema), principalOf(context)),
    getProfile: async ({ id, version }, context) =>
      answerOf(GetProfileResponseSchema, await deps.readDeclared.profile(principalOf(context), id, version)),
    listProfiles: async (page, context) =>
      answerOf(ListProfilesResponseSchema, await deps.readDeclared.profiles(principalOf(context), page)),
  };
}
