import type { Environment } from "../../config/environment.ts";
import type { SecretFiles } from "../../config/secret-files.ts";
import {
  createInLosableScope,
  createInReadScope,
  createInScope,
  createInTransaction,
} from "../../drivers/postgres/in-scope.ts";
import type { Listener } from "../../drivers/postgres/listener.ts";
import { createListener } from "../../drivers/postgres/listener.ts";
import type { Notifier } from "../../drivers/postgres/notifier.ts";
import { createNotifier } from "../../drivers/postgres/notifier.ts";
import { createPool } from "../../drivers/postgres/pool.ts";
import type { S3 } from "../../drivers/s3/s3.ts";
import { createS3 } from "../../drivers/s3/s3.ts";
import { observePools } from "../../telemetry/metrics/process-metrics.ts";
import type { Authenticator } from "../../tenancy/authenticate.ts";
import { createAuthenticator } from "../../tenancy/authenticate.ts";
import type { InScope, InTransaction } from "../../tenancy/transaction.ts";
import { databaseLoginOf } from "../database-login.ts";
import { s3OptionsOf } from "../s3-options.ts";

const applicationName = "automation-api";

/** Connections of the api: Postgres, the object store, the token issuer. */
export interface Connections {
  readonly inScope: InScope;
  /** For people's lists and look-ups, by connections of their own: workers never wait for them. */
  readonly inReadScope: InScope;
  /** For what is done once more if a crash of Postgres lost its record. */
  readonly inLosableScope: InScope;
  readonly inTransaction: InTransaction;
  readonly objects: S3;
  readonly authenticate: Authenticator["authenticate"];
  /** Wakes other processes and readers of streams. A hint may be lost. */
  readonly hint: Notifier["hint"];
  /** Calls `wake` with the runs whose streams have grown, whichever process wrote to them. */
  readonly onRunEvents: (wake: (runs: readonly string[]) => void) => void;
  readonly close: () => Promise<void>;
}

/** Returns at once: connections are opened on first use. */
export function connect(
  environment: Environment<"api">,
  deps: { readonly secrets: SecretFiles; readonly now: () => Date; readonly onError: (error: unknown) => void },
): Connections {
  const { secrets, now, onError } = deps;
  const login = databaseLoginOf(environment, secrets);
  const pool = createPool({ ...login, applicationName, max: 12, onError });
  const readPool = createPool({ ...login, applicationName: `${applicationName}-read`, max: 4, onError });
  observePools(pool, readPool);
  const notifier = createNotifier({ ...login, applicationName, onError });
  const objects = createS3(s3OptionsOf(environment, secrets));
  const issuer = createAuthenticator({ issuer: environment.AUTOMATION_ISSUER_URL, now });
  let listener: Listener | undefined;
  return {
    inScope: createInScope(pool),
    inReadScope: createInReadScope(readPool),
    inLosableScope: createInLosableScope(pool),
    inTransaction: createInTransaction(pool),
    objects,
    authenticate: issuer.authenticate,
    hint: notifier.hint,
    onRunEvents: (wake) => {
      const onHint = (_: string, runs: readonly string[]) => wake(runs);
      listener = createListener({ ...login, applicationName, channels: ["automation_run_events"], onHint, onError });
    },
    close: async () => {
      await Promise.allSettled([listener?.close(), notifier.close(), pool.end(), readPool.end()]);
      objects.close();
    },
  };
}
