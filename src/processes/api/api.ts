import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createListQueue } from "../../admission/list-queue.ts";
import { createAgentsService } from "../../api/connect/agents-service.ts";
import { createArtifactService } from "../../api/connect/artifact-service.ts";
import { createGovernanceService } from "../../api/connect/governance-service.ts";
import { createGraphService } from "../../api/connect/graph-service.ts";
import { createHealthService } from "../../api/connect/health-service.ts";
import { createProfileService } from "../../api/connect/profile-service.ts";
import { createRequestService } from "../../api/connect/request-service.ts";
import { createHandler, services as served } from "../../api/connect/routes.ts";
import { createRunWorkerService } from "../../api/connect/run-worker-service.ts";
import { createWorkflowService } from "../../api/connect/workflow-service.ts";
import { createCors } from "../../api/http/cors.ts";
import { serveApi } from "../../api/http/server.ts";
import { createArtifactUrl } from "../../artifacts/artifact-url.ts";
import { createListArtifacts } from "../../artifacts/list-artifacts.ts";
import type { Environment } from "../../config/environment.ts";
import { readEnvironment } from "../../config/environment.ts";
import type { Operator } from "../../config/operator.ts";
import { readOperator } from "../../config/operator.ts";
import { bumpRevision } from "../../definitions/declaration-revision-store.ts";
import { createDecideByDeclarations } from "../../definitions/declarations.ts";
import { assertWorkspaceRules } from "../../definitions/policy/workspace-rules.ts";
import { createPublishVersion } from "../../definitions/put-definition.ts";
import { createPublishProfile } from "../../definitions/put-profile.ts";
import { createPutRepository } from "../../definitions/put-repository.ts";
import { createPutRule } from "../../definitions/put-rule.ts";
import { createReadDeclared } from "../../definitions/read-declared.ts";
import { createInScope, createInTransaction } from "../../drivers/postgres/in-scope.ts";
import { createListener } from "../../drivers/postgres/listener.ts";
import type { Notifier } from "../../drivers/postgres/notifier.ts";
import { createNotifier } from "../../drivers/postgres/notifier.ts";
import { createPool } from "../../drivers/postgres/pool.ts";
import type { S3 } from "../../drivers/s3/s3.ts";
import { createS3 } from "../../drivers/s3/s3.ts";
import { openFileSigner } from "../../drivers/signing/file-signer.ts";
import { workflowIdOf } from "../../drivers/temporal/contract.ts";
import { createListElements } from "../../graph/list-elements.ts";
import type { Methodology } from "../../methodology/methodology.ts";
import { createScrum } from "../../methodology/scrum.ts";
import { createListPersonas } from "../../personas/list-personas.ts";
import { createPublishBundle } from "../../personas/publish-bundle.ts";
import { createGetAttestation, createListAttestations } from "../../proof/attestations/list-attestations.ts";
import type { Sign } from "../../proof/attestations/signer.ts";
import { createListSigningKeys, publishSigningKeys } from "../../proof/attestations/signing-keys.ts";
import { createListPlatformDeliveries } from "../../requests/list-platform-deliveries.ts";
import { createListRequests } from "../../requests/list-requests.ts";
import { createStartRun } from "../../requests/start-run.ts";
import { createCancelRun } from "../../runs/cancel-run.ts";
import { createDescribeRun } from "../../runs/describe-run.ts";
import { assertRun, createInRun } from "../../runs/in-run.ts";
import { createListRuns } from "../../runs/list-runs.ts";
import { tellAppended } from "../../runs/stream/tell-appended.ts";
import type { WatchRuns } from "../../runs/stream/watch-run.ts";
import { createWatchRuns } from "../../runs/stream/watch-run.ts";
import { createAbortSeal } from "../../seal/abort-seal.ts";
import { createCommitSeal } from "../../seal/commit-seal.ts";
import { createDeliverHandoff } from "../../seal/deliver-handoff.ts";
import { createDeliverLoop } from "../../seal/deliver-loop.ts";
import { createDescribeSeal } from "../../seal/describe-seal.ts";
import { createPrepareSeal } from "../../seal/prepare-seal.ts";
import type { Receivers } from "../../seal/receivers.ts";
import { createReceivers } from "../../seal/receivers.ts";
import { createReconcileLoop } from "../../seal/reconcile-loop.ts";
import { findUnansweredTry } from "../../seal/unanswered-try.ts";
import {
  beginForged,
  handoffHeldUp,
  handoffStuck,
  lastFormSealed,
  runBegun,
  runReconciled,
} from "../../telemetry/events.ts";
import type { Log } from "../../telemetry/log.ts";
import { createLog } from "../../telemetry/log.ts";
import { createAuthenticator } from "../../tenancy/authenticate.ts";
import { createRecordAudit } from "../../tenancy/record-audit.ts";
import { createBeginRun } from "../../work/begin-run.ts";
import { createCompleteWork } from "../../work/complete-work.ts";
import { createExaminer } from "../../work/examine/examiner/examiner.ts";
import { examinerLimits, proveExaminer } from "../../work/examine/examiner/run-examiner.ts";
import { createGrantUploads } from "../../work/grant-uploads.ts";
import { createBundleUrl } from "../../work/persona-bundle-url.ts";
import { createReportStatus } from "../../work/report-status.ts";

const applicationName = "automation-api";
const heartbeatMs = 10_000;
/** For an examination of nothing, which takes a tenth of a second of CPU, however busy the host is. */
const proofLimitMs = 60_000;

/**
 * Serves the facade, and sends what is due to methodologies, until the signal aborts; then lets calls end and streams go elsewhere.
 * @throws when it can't start: port taken, operator file or keys not usable, Postgres away
 */
export async function main(source: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const environment = readEnvironment("api", source);
  const operator = readOperator(environment.AUTOMATION_OPERATOR_FILE);
  assertWorkspaceRules(operator.workspaces);
  const log = createLog("api", environment.AUTOMATION_LOG_LEVEL);
  const signer = await openFileSigner(environment.AUTOMATION_KEYS_DIR);
  const url = environment.AUTOMATION_POSTGRES_URL;
  const onError = (error: unknown) => log.warn({ err: error }, "Postgres: a query or a connection failed");
  const pool = createPool({ url, applicationName, max: 16, onError });
  const s3 = createS3(s3OptionsOf(environment));
  const notifier = createNotifier({ url, applicationName, onError });
  const inScope = createInScope(pool);
  const inTransaction = createInTransaction(pool);
  const watchRuns = createWatchRuns({ inScope, heartbeatMs, onError });
  const listener = createListener({
    url,
    applicationName,
    channels: ["automation_run_events"],
    onHint: (_, runs) => watchRuns.wake(runs),
    onError,
  });
  const now = () => new Date();
  const authenticator = createAuthenticator({ issuer: environment.AUTOMATION_ISSUER_URL, now });
  const methodologyOf = methodologiesOf(operator);
  const receivers = createReceivers({ methodologyOf, now, random: Math.random });
  const deliverLoop = createDeliverLoop({
    inScope,
    inTransaction,
    receivers,
    now,
    random: Math.random,
    onStuck: (call) => handoffStuck(log, call),
    onHeldUp: (call) => handoffHeldUp(log, call),
    onError: (error) => log.warn({ err: error }, "deliver: a round failed"),
  });
  const { reconcileLoop, ...services } = createServices({
    ...{ inScope, inTransaction, watchRuns, notifier, log, s3, now, operator, methodologyOf, receivers },
    sign: signer.sign,
    onDue: deliverLoop.wake,
  });
  try {
    await Promise.all([
      publishSigningKeys({ inTransaction, now }, signer.publicKeys),
      proveExaminer(AbortSignal.timeout(proofLimitMs)),
    ]);
    const check = oneAtATime(async () => {
      const answers = pool.query("select 1").then(
        () => true,
        () => false,
      );
      const [postgres, storage, issuer] = await Promise.all([answers, s3.reachable(), authenticator.isReachable()]);
      return { postgres, s3: storage, issuer };
    });
    const server = await serveApi({
      address: environment.AUTOMATION_API_ADDRESS,
      handler: createHandler({
        ...services,
        health: createHealthService({ names: served.map(({ typeName }) => typeName), check, ending: signal }),
        reflection: operator.api.reflection,
        authenticate: authenticator.authenticate,
        recordAudit: createRecordAudit({ inScope }),
        onInternal: (error, facts) => log.error({ err: error, ...facts }, "a call failed"),
        newId: randomUUID,
      }),
      applyCors: createCors(operator.api.corsOrigins),
      check,
    });
    log.info({ address: server.address }, "the api listens");
    await Promise.all([deliverLoop.run(signal), reconcileLoop.run(signal)]);
    watchRuns.close();
    await server.drain();
  } finally {
    watchRuns.close();
    await Promise.allSettled([listener.close(), notifier.close(), pool.end()]);
    s3.close();
  }
}

/** The proto services over the use cases of the rooms, and the loop that acts where no execution speaks. */
function createServices(deps: {
  readonly inScope: ReturnType<typeof createInScope>;
  readonly inTransaction: ReturnType<typeof createInTransaction>;
  readonly watchRuns: WatchRuns;
  readonly notifier: Notifier;
  readonly log: Log;
  readonly s3: S3;
  readonly sign: Sign;
  readonly methodologyOf: (receiver: string) => Methodology | undefined;
  readonly receivers: Receivers;
  readonly operator: Operator;
  readonly now: () => Date;
  readonly onDue: () => void;
}) {
  const { inScope, notifier, operator, s3 } = deps;
  const { hint } = notifier;
  const inRun = tellAppended(createInRun(deps), ({ tenant, runId }) => {
    hint("automation_run_events", `${tenant}/${runId}`);
    hint("automation_outbox");
  });
  const sealing = { ...deps, inRun, objects: s3, baseUri: operator.proof.baseUri };
  const abortSeal = createAbortSeal({
    ...sealing,
    onLastForm: (error, run) => lastFormSealed(deps.log, run, error),
  });
  const startRun = createStartRun({
    ...deps,
    decideByDeclarations: createDecideByDeclarations(),
    operator: { knownRoles: operator.roles, workspaces: operator.workspaces, runs: operator.runs },
    newId: randomUUID,
  });
  const readDeclared = createReadDeclared(deps);
  return {
    workflows: createWorkflowService({
      publishVersion: createPublishVersion(deps),
      putRule: createPutRule(deps),
      putRepository: createPutRepository({ inScope, bounds: operator.workspaces.repositories }),
      readDeclared,
      startRun: async (request, who, trace) => {
        try {
          return await startRun(request, who, trace);
        } finally {
          hint("automation_release");
          hint("automation_outbox"); // a rejection is told on the bus, too
        }
      },
      describeRun: createDescribeRun({ inScope, workflowIdOf }),
      describeSeal: createDescribeSeal(deps),
      listRuns: createListRuns({ inScope, workflowIdOf }),
      watchRuns: deps.watchRuns,
      cancelRun: createCancelRun({
        inRun,
        workflowIdOf,
        newId: randomUUID,
        now: deps.now,
        onCommand: () => hint("automation_commands"),
      }),
      reportStatus: createReportStatus({ inScope, inRun, now: deps.now, unansweredTry: findUnansweredTry }),
      now: deps.now,
    }),
    requests: createRequestService({
      listRequests: createListRequests(deps),
      listPlatformDeliveries: createListPlatformDeliveries(deps),
      listQueue: createListQueue(deps),
    }),
    artifacts: createArtifactService({
      listArtifacts: createListArtifacts({ inScope, assertRun }),
      artifactUrl: createArtifactUrl({ inScope, urlFor: s3.urlFor }),
    }),
    runWorker: createRunWorkerService({
      beginRun: createBeginRun({
        inRun,
        now: deps.now,
        onBegun: (run) => {
          hint("automation_release");
          runBegun(deps.log, run);
        },
        onForgery: (run) => beginForged(deps.log, run),
      }),
      grantUploads: createGrantUploads({ objects: s3, inRun }),
      completeWork: createCompleteWork({
        inRun,
        objects: s3,
        examine: createExaminer({ objects: s3, limits: examinerLimits }),
      }),
      prepareSeal: createPrepareSeal(sealing),
      deliverHandoff: createDeliverHandoff(sealing),
      commitSeal: createCommitSeal(sealing),
      abortSeal,
    }),
    reconcileLoop: createReconcileLoop({
      ...{ inRun, inTransaction: deps.inTransaction, abortSeal, now: deps.now },
      onReconciled: (done) => {
        hint("automation_release"); // a place may be free, or the run may start anew
        runReconciled(deps.log, done);
      },
      onError: (error) => deps.log.warn({ err: error }, "reconcile: a round failed"),
    }),
    profiles: createProfileService({
      publishProfile: createPublishProfile({ inScope, receivers: Object.keys(operator.methodologies) }),
      readDeclared,
    }),
    governance: createGovernanceService({
      getAttestation: createGetAttestation(deps),
      listAttestations: createListAttestations(deps),
      listSigningKeys: createListSigningKeys(deps),
    }),
    graph: createGraphService({ listElements: createListElements(deps) }),
    agents: createAgentsService({
      publishBundle: createPublishBundle({ inScope, objects: s3, bumpRevision }),
      listPersonas: createListPersonas(deps),
      bundleUrl: createBundleUrl({ inScope, urlFor: s3.urlFor }),
    }),
  };
}

/** One client per methodology service that the operator names; each token is read anew for every call. */
function methodologiesOf({ methodologies }: Operator): (receiver: string) => Methodology | undefined {
  const clients = new Map(
    Object.entries(methodologies).map(([name, { endpoint, tokenFile, tryTimeoutMs }]) => [
      name,
      createScrum({ endpoint, tryTimeoutMs, readToken: () => readFileSync(tokenFile, "utf8").trim() }),
    ]),
  );
  return (receiver) => clients.get(receiver);
}

function s3OptionsOf(environment: Environment<"api">) {
  return {
    endpoint: environment.AUTOMATION_S3_ENDPOINT,
    region: environment.AUTOMATION_S3_REGION,
    bucket: environment.AUTOMATION_S3_BUCKET,
    accessKeyId: environment.AUTOMATION_S3_ACCESS_KEY_ID,
    secretAccessKey: environment.AUTOMATION_S3_SECRET_ACCESS_KEY,
  };
}

/** Whoever asks while an answer is on its way gets that one: anybody may ask, and each look costs our dependencies something. */
function oneAtATime<T>(look: () => Promise<T>): () => Promise<T> {
  let looking: Promise<T> | undefined;
  return () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
}
