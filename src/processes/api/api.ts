import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createExplainRequest } from "../../admission/explain-request.ts";
import { createHoldQueue, createReleaseQueue } from "../../admission/hold-queue.ts";
import { createListQueue } from "../../admission/list-queue.ts";
import { createAgentsService } from "../../api/connect/agents-service.ts";
import { createArtifactService } from "../../api/connect/artifact-service.ts";
import { createGovernanceService } from "../../api/connect/governance-service.ts";
import { createGraphService } from "../../api/connect/graph-service.ts";
import { createHealthService } from "../../api/connect/health-service.ts";
import { createProfileService } from "../../api/connect/profile-service.ts";
import { createRequestService } from "../../api/connect/request-service.ts";
import { createHandler, services } from "../../api/connect/routes.ts";
import { createRunWorkerService } from "../../api/connect/run-worker-service.ts";
import { createWorkflowService } from "../../api/connect/workflow-service.ts";
import { createCors } from "../../api/http/cors.ts";
import { createEventsDoor } from "../../api/http/events-door.ts";
import { serveApi } from "../../api/http/server.ts";
import { readEnvironment } from "../../config/environment.ts";
import { readOperator, useOperator } from "../../config/operator.ts";
import { programVersion } from "../../config/program-version.ts";
import { createSecretFiles } from "../../config/secret-files.ts";
import { assertWorkspaceRules } from "../../definitions/policy/workspace-rules.ts";
import { openFileSigner } from "../../drivers/signing/file-signer.ts";
import { workflowIdOf } from "../../drivers/temporal/contract.ts";
import { createListElements } from "../../graph/list-elements.ts";
import { createUseKeys } from "../../proof/attestations/signing-keys.ts";
import { secretUnusable } from "../../telemetry/events.ts";
import { serveHealth } from "../../telemetry/health.ts";
import { createLog } from "../../telemetry/log.ts";
import { observeConfig } from "../../telemetry/metrics/process-metrics.ts";
import { observeSecrets } from "../../telemetry/metrics/secret-metrics.ts";
import { createPatience } from "../../telemetry/patience.ts";
import { startTelemetry } from "../../telemetry/start-telemetry.ts";
import { createRecordAudit } from "../../tenancy/record-audit.ts";
import { proveExaminer } from "../../work/examine/examiner/run-examiner.ts";
import { connect } from "./connect.ts";
import { wireArtifacts } from "./wire-artifacts.ts";
import { wireDefinitions } from "./wire-definitions.ts";
import { wireMethodology } from "./wire-methodology.ts";
import { wirePersonas } from "./wire-personas.ts";
import { wireProof } from "./wire-proof.ts";
import { wireRequests } from "./wire-requests.ts";
import { wireRuns } from "./wire-runs.ts";
import { wireSeal } from "./wire-seal.ts";
import { wireWork } from "./wire-work.ts";

/** For an empty examination, which takes 0.1 s of CPU; the rest is for a busy host. */
const proofLimitMs = 60_000;

/**
 * Serves the api and sends due calls to methodologies until the signal aborts; then it is not ready, ends streams, which clients resume elsewhere, and waits for calls to end.
 * @throws when it can't start: port taken, operator file or keys not usable, Postgres away
 */
export async function main(source: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const environment = readEnvironment("api", source);
  const log = createLog("api", environment.AUTOMATION_LOG_LEVEL);
  const now = () => new Date();
  const secrets = createSecretFiles((name, why) => secretUnusable(log, name, why));
  const operator = readOperator(environment.AUTOMATION_OPERATOR_FILE);
  const receiverOf = useOperator(environment.AUTOMATION_OPERATOR_FILE, () => {
    assertWorkspaceRules(operator.workspaces);
    return wireMethodology(operator, secrets);
  });
  const keys = await openFileSigner(environment.AUTOMATION_KEYS_DIR, (purpose, file, parse) =>
    secrets.open(`signing-${purpose}`, [file], ([pem = ""]) => parse(pem)),
  );
  const telemetry = startTelemetry("api", programVersion(), environment, log);
  observeConfig("api", operator);

  const onError = (error: unknown) => log.warn({ err: error }, "Postgres: a query or a connection failed");
  const connections = connect(environment, { secrets, now, onError });
  const { inScope, inReadScope, inLosableScope, inTransaction, objects, hint } = connections;
  const useKeys = createUseKeys({ inTransaction, now, keys });
  observeSecrets(secrets.states, now);

  const definitions = wireDefinitions({ inScope, inReadScope, operator });
  const artifacts = wireArtifacts({ inReadScope, objects });
  const runs = wireRuns({
    inScope,
    inReadScope,
    now,
    onAppended: ({ tenant, runId }) => {
      hint("automation_run_events", `${tenant}/${runId}`);
      hint("automation_outbox");
    },
    onCommand: () => hint("automation_commands"),
    onError,
  });
  const { inRun, watchRuns } = runs;
  connections.onRunEvents(watchRuns.wake);
  const requests = wireRequests({
    inScope,
    inReadScope,
    operator,
    now,
    onDecided: () => {
      hint("automation_release");
      hint("automation_outbox"); // rejections are published as well
    },
  });
  const onPlaceFree = () => hint("automation_release");
  const { baseUri } = operator.proof;
  const work = wireWork({ inScope, inRun, objects, baseUri, log, now, onPlaceFree });
  const personas = wirePersonas({ inScope, inReadScope, objects });
  const proof = wireProof({ inReadScope, inTransaction });
  const seal = wireSeal({
    inScope,
    inReadScope,
    inLosableScope,
    inTransaction,
    inRun,
    objects,
    receiverOf,
    useKeys,
    operator,
    log,
    now,
    onPlaceFree,
  });

  const patience = () => createPatience(1_000 * environment.AUTOMATION_STANDSTILL_SECONDS, () => performance.now());
  const [handoff, reconciler] = [patience(), patience()];
  const ending = "it is ending";
  const check = async () => ({
    handoff: signal.aborted ? ending : handoff(seal.deliverLoop.standing()),
    reconciler: signal.aborted ? ending : reconciler(seal.reconcileLoop.standing()),
  });
  const health = await serveHealth({ address: environment.AUTOMATION_HEALTH_ADDRESS, check, telemetry });
  const overdue = new AbortController();
  try {
    await Promise.all([useKeys(), proveExaminer(AbortSignal.timeout(proofLimitMs))]);
    const names = services.map(({ typeName }) => typeName);
    const authenticate = connections.authenticate;
    const recordAudit = createRecordAudit({ inScope });
    const onInternal = (error: unknown, facts: { readonly code: "internal" | "unavailable" }) =>
      log[facts.code === "internal" ? "error" : "warn"]({ err: error, ...facts }, "a call failed");
    const { acceptEvents } = requests;
    const answerEvents = createEventsDoor({ authenticate, recordAudit, acceptEvents, onInternal, newId: randomUUID });
    const server = await serveApi({
      address: environment.AUTOMATION_API_ADDRESS,
      answerEvents,
      handler: createHandler({
        workflows: createWorkflowService({
          publishVersion: definitions.publishVersion,
          putRule: definitions.putRule,
          retireRule: definitions.retireRule,
          readRuleVersions: definitions.readRuleVersions,
          testRule: requests.testRule,
          putRepository: definitions.putRepository,
          readDeclared: definitions.readDeclared,
          startRun: requests.startRun,
          rerunRun: requests.rerunRun,
          describeRun: runs.describeRun,
          describeSeal: seal.describeSeal,
          listRuns: runs.listRuns,
          watchRuns,
          cancelRun: runs.cancelRun,
          reportStatus: work.reportStatus,
          now,
        }),
        requests: createRequestService({
          listRequests: requests.listRequests,
          explainRequest: createExplainRequest({ inScope: inReadScope, workflowIdOf }),
          replayRequest: requests.replayRequest,
          listPlatformDeliveries: requests.listPlatformDeliveries,
          listQueue: createListQueue({ inScope: inReadScope }),
          holdQueue: createHoldQueue({ inScope, now }),
          releaseQueue: createReleaseQueue({ inScope, onReleased: onPlaceFree }),
        }),
        artifacts: createArtifactService(artifacts),
        runWorker: createRunWorkerService({
          beginRun: work.beginRun,
          grantUploads: work.grantUploads,
          completeWork: work.completeWork,
          prepareSeal: seal.prepareSeal,
          deliverHandoff: seal.deliverHandoff,
          commitSeal: seal.commitSeal,
          abortSeal: seal.abortSeal,
        }),
        profiles: createProfileService(definitions),
        governance: createGovernanceService(proof),
        graph: createGraphService({ listElements: createListElements({ inScope: inReadScope }) }),
        agents: createAgentsService({
          publishBundle: personas.publishBundle,
          listPersonas: personas.listPersonas,
          getPersona: personas.getPersona,
          bundleUrl: work.bundleUrl,
        }),
        health: createHealthService({ names, check, ending: signal }),
        reflection: operator.api.reflection,
        authenticate,
        recordAudit,
        onInternal,
        newId: randomUUID,
        overdue: overdue.signal,
      }),
      applyCors: createCors(operator.api.corsOrigins),
      check,
    });
    log.info({ address: server.address }, "the api listens");
    const loops = [seal.deliverLoop.run(signal), seal.reconcileLoop.run(signal)];
    if (!signal.aborted) await once(signal, "abort");
    watchRuns.close();
    await Promise.all([...loops, server.drain(() => overdue.abort())]);
  } finally {
    watchRuns.close();
    await Promise.allSettled([connections.close(), health.close()]);
    await telemetry.close();
  }
}
