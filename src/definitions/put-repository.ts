import { toJson } from "@bufbuild/protobuf";
import type { Repository } from "../gen/workflows_runtime/v1/repository_pb.ts";
import { RepositorySchema } from "../gen/workflows_runtime/v1/repository_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { faultOfRef } from "../text/git-ref.ts";
import { shownRepositoryUrl } from "../text/repository-url.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { assertDeclarable, faultOfSize } from "./invalid-declaration-error.ts";
import { faultsOfPolicy } from "./policy/policy-rules.ts";
import type { RepositoryBounds } from "./repository-rules.ts";
import { faultOfUrl } from "./repository-rules.ts";
import { upsertRepository } from "./repository-store.ts";

export type PutRepository = (repository: Repository, who: Principal) => Promise<void>;

/** Creates or replaces a repository. It applies to runs that are accepted afterwards. @throws InvalidDeclarationError */
export function createPutRepository(deps: {
  readonly inScope: InScope;
  readonly bounds: RepositoryBounds;
}): PutRepository {
  return async (message, who) => {
    const { tenant, subject } = who;
    const repository = toJson(RepositorySchema, message);
    const { id, url, defaultRef } = message;
    const urlFault = faultOfUrl(url, tenant, deps.bounds);
    const refFault = faultOfRef(defaultRef);
    assertDeclarable([
      ...faultOfSize(repository, "repository"),
      ...(urlFault === undefined ? [] : [`url ${shownRepositoryUrl(url)} ${urlFault}`]),
      ...(refFault === undefined ? [] : [`default_ref "${defaultRef}" ${refFault}; name a branch, tag or commit`]),
      ...(repository.policy === undefined ? [] : faultsOfPolicy(repository.policy, "policy")),
    ]);
    await deps.inScope(who, async (transaction) => {
      await upsertRepository(transaction, { tenant, id, repository, by: subject });
      await bumpRevision(transaction, tenant);
    });
  };
}
