import { toJson } from "@bufbuild/protobuf";
import type { Profile } from "../gen/governance/v1/profile_pb.ts";
import { ProfileSchema } from "../gen/governance/v1/profile_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { assertSameVersion } from "../tenancy/version-exists-error.ts";
import { canonicalDigest } from "../text/canonical-json.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { assertDeclarable, faultOfSize } from "./invalid-declaration-error.ts";
import { faultsOfProfile } from "./profile-rules.ts";
import { findProfile, insertProfile } from "./profile-store.ts";
import { assertServes, UnknownReceiverError } from "./receiver-rules.ts";

export type PublishProfile = (profile: Profile, who: Principal) => Promise<{ digest: string; created: boolean }>;

/** Stores a profile version for ever. @throws InvalidDeclarationError, UnknownReceiverError, ReceiverMethodError, VersionExistsError */
export function createPublishProfile(deps: {
  readonly inScope: InScope;
  /** The methods that this version knows. */
  readonly methods: readonly string[];
  /** The method of each receiver in the operator file, by the receiver's name. */
  readonly receivers: ReadonlyMap<string, string>;
}): PublishProfile {
  return async (message, who) => {
    const { tenant, subject } = who;
    const profile = toJson(ProfileSchema, message);
    assertDeclarable([...faultOfSize(profile, "profile"), ...faultsOfProfile(message, deps.methods)]);
    assertReceiver(message, deps.receivers);
    const digest = canonicalDigest(profile);
    const { id, version } = message;
    return deps.inScope(who, async (transaction) => {
      const created = await insertProfile(transaction, { tenant, id, version, profile, digest, publishedBy: subject });
      if (created) await bumpRevision(transaction, tenant);
      else assertSameVersion("profile", { id, version, digest }, await findProfile(transaction, tenant, id, version));
      return { digest, created };
    });
  };
}

function assertReceiver({ handoff, method }: Profile, receivers: ReadonlyMap<string, string>): void {
  if (handoff === undefined) return;
  const served = receivers.get(handoff.receiver);
  if (served === undefined) throw new UnknownReceiverError(handoff.receiver, [...receivers.keys()]);
  assertServes(handoff.receiver, served, method);
}
