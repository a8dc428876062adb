import { toJson } from "@bufbuild/protobuf";
import type { Profile } from "../gen/governance/v1/profile_pb.ts";
import { ProfileSchema } from "../gen/governance/v1/profile_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { canonicalDigest } from "../text/canonical-json.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { faultOfSize } from "./declared-size.ts";
import { faultsOfProfile } from "./profile-rules.ts";
import { findProfile, insertProfile } from "./profile-store.ts";
import { VersionExistsError } from "./version-exists-error.ts";

/** A profile hands off to a service that the operator has not listed. */
export class UnknownReceiverError extends Error {
  override readonly name = "UnknownReceiverError";
  readonly code = "unknown_receiver";
  constructor(receiver: string, known: readonly string[]) {
    super(
      `handoff.receiver "${receiver}" is not among the operator's methodologies (${known.join(", ") || "none"}); use one of them or have it added to the operator file`,
    );
  }
}

/** The profile can't be meant as it stands; every fault names its field. */
export class InvalidProfileError extends Error {
  override readonly name = "InvalidProfileError";
  readonly code = "invalid_profile";
  constructor(faults: readonly string[]) {
    super(faults.join("; "));
  }
}

export type PublishProfile = (profile: Profile, who: Principal) => Promise<{ digest: string; created: boolean }>;

/** Stores a profile version for ever. @throws VersionExistsError, UnknownReceiverError, InvalidProfileError */
export function createPublishProfile(deps: {
  readonly inScope: InScope;
  /** Names in the operator's list of methodology services. */
  readonly receivers: readonly string[];
}): PublishProfile {
  return async (message, who) => {
    const { tenant, subject } = who;
    const receiver = message.handoff?.receiver;
    if (receiver !== undefined && !deps.receivers.includes(receiver))
      throw new UnknownReceiverError(receiver, deps.receivers);
    const profile = toJson(ProfileSchema, message);
    const faults = [...faultOfSize(profile, "profile"), ...faultsOfProfile(message)];
    if (faults.length > 0) throw new InvalidProfileError(faults);
    const digest = canonicalDigest(profile);
    const { id, version } = message;
    return deps.inScope(who, async (transaction) => {
      const created = await insertProfile(transaction, { tenant, id, version, profile, digest, publishedBy: subject });
      if (created) await bumpRevision(transaction, tenant);
      else if ((await findProfile(transaction, tenant, id, version))?.digest !== digest)
        throw new VersionExistsError("profile", id, version);
      return { digest, created };
    });
  };
}
