import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { sha256Hex } from "../../../src/artifacts/blobs.ts";
import { RunStatus } from "../../../src/gen/automation/v1/run_event_pb.ts";
import { encodeTar } from "../../../src/personas/canonical-tar.ts";
import { profileOf } from "../worlds/api.ts";

/** Ids of what one org has, or made-up ones of the same form. */
export interface Ids {
  /** Has ended COMPLETED. */
  readonly completed: string;
  /** Is worked on. */
  readonly begun: string;
  /** Waits for its start. */
  readonly admitted: string;
  readonly startCapability: string;
  readonly requestId: string;
  readonly artifact: string;
  readonly attestation: string;
  readonly digest: string;
  readonly backlogItem: string;
  readonly sprint: string;
}

/** How a method is called, and whose what it tells or changes is. */
export interface ScopedCall {
  /** `org`: hidden from every other scope · `tenant`: declared, the same for all its orgs · `installation`: the same for all · `platform`: of no tenant, for its own role alone. */
  readonly belongsTo: "org" | "tenant" | "installation" | "platform";
  ask(ids: Ids): Readonly<Record<string, unknown>>;
  /** What the owner's call is answered with, when that is no success; it must differ from what a stranger gets. */
  readonly owner?: Code;
  /** What a stranger makes by it is the stranger's own. */
  readonly makesOwn?: true;
  /** Lists tell strangers an empty answer; what they may not contain is any of the ids. */
  readonly isList?: true;
}

export const personaBundle = encodeTar([
  {
    path: "persona.json",
    isExecutable: false,
    bytes: Buffer.from('{"id":"mender","runtime":{"command":{"argv":["node","/persona/main.mjs"]}},"version":"1"}'),
  },
  { path: "main.mjs", isExecutable: false, bytes: Buffer.from("1;\n") },
]);

const personaDigest = sha256Hex(personaBundle);

export const executionOf = (runId: string) => ({ runId, generation: 1, firstExecutionRunId: "first" });
const context = (backlogItem: string, sprint: string) => ({
  method: { case: "scrum", value: { product: "shop", sprint, backlogItems: [backlogItem] } },
});
export const requestOf = ({ backlogItem, sprint }: Pick<Ids, "backlogItem" | "sprint">, definition = "evidence") => ({
  profile: { id: "team" },
  workKind: "other",
  definition: { id: definition },
  context: context(backlogItem, sprint),
});
const upload = ({ digest }: Ids) => ({
  name: "documents/x",
  kind: "document",
  mediaType: "text/plain",
  sha256: digest,
  sizeBytes: 1n,
});
export const workPlan = {
  repository: { id: "shop" },
  steps: [{ id: "mend", kind: { case: "agent", value: { persona: { id: "mender", version: "1" } } } }],
};
export const versionOf = (definitionId: string, plan: object) => ({
  definitionId,
  version: "1",
  channel: "stable",
  plan,
});
export const repository = { id: "shop", url: "https://github.com/acme/shop", defaultRef: "main" };
export const rule = { id: "route", priority: 9, profileId: "nobody", definition: { id: "evidence" } };

/** Every method that is served. One without an entry fails the test that reads this. */
export const scopedCalls: Readonly<Record<string, ScopedCall>> = {
  "workflows_runtime.v1.WorkflowService/PublishWorkflowVersion": {
    belongsTo: "tenant",
    ask: () => versionOf("evidence", {}),
  },
  "workflows_runtime.v1.WorkflowService/GetWorkflowVersion": {
    belongsTo: "tenant",
    ask: () => ({ definition: { id: "work" } }),
  },
  "workflows_runtime.v1.WorkflowService/ListWorkflowDefinitions": { belongsTo: "tenant", ask: () => ({}) },
  "workflows_runtime.v1.WorkflowService/PutWorkflowRule": { belongsTo: "tenant", ask: () => ({ rule }) },
  "workflows_runtime.v1.WorkflowService/ListWorkflowRules": { belongsTo: "tenant", ask: () => ({}) },
  "workflows_runtime.v1.WorkflowService/TestWorkflowRule": {
    belongsTo: "org",
    isList: true,
    ask: () => ({
      rule: { id: "draft", profileId: "team", definition: { id: "evidence" }, runPriority: 5 },
      since: timestampFromMs(0),
    }),
  },
  "workflows_runtime.v1.WorkflowService/RetireWorkflowRule": { belongsTo: "tenant", ask: () => ({ id: "route" }) },
  "workflows_runtime.v1.WorkflowService/GetWorkflowRule": { belongsTo: "tenant", ask: () => ({ id: "route" }) },
  "workflows_runtime.v1.WorkflowService/ListWorkflowRuleVersions": {
    belongsTo: "tenant",
    ask: () => ({ id: "route" }),
  },
  "workflows_runtime.v1.WorkflowService/PutRepository": { belongsTo: "tenant", ask: () => ({ repository }) },
  "workflows_runtime.v1.WorkflowService/ListRepositories": { belongsTo: "tenant", ask: () => ({}) },
  "workflows_runtime.v1.WorkflowService/StartWorkflowRun": {
    belongsTo: "org",
    makesOwn: true,
    ask: (ids) => ({ requestId: ids.requestId, request: requestOf(ids) }),
  },
  "workflows_runtime.v1.WorkflowService/RerunWorkflowRun": {
    belongsTo: "org",
    ask: ({ completed, requestId }) => ({ runId: completed, requestId: `again-${requestId}` }),
  },
  "workflows_runtime.v1.WorkflowService/DescribeWorkflowRun": {
    belongsTo: "org",
    ask: ({ completed }) => ({ runId: completed }),
  },
  "workflows_runtime.v1.WorkflowService/ListWorkflowRuns": {
    belongsTo: "org",
    isList: true,
    ask: ({ sprint }) => ({ reference: { kind: "sprint", id: sprint } }),
  },
  "workflows_runtime.v1.WorkflowService/WatchWorkflowRun": {
    belongsTo: "org",
    ask: ({ completed }) => ({ runId: completed }),
  },
  "workflows_runtime.v1.WorkflowService/CancelWorkflowRun": {
    belongsTo: "org",
    ask: ({ admitted }) => ({ runId: admitted, reason: "not needed" }),
  },
  "workflows_runtime.v1.WorkflowService/ReportWorkflowStatus": {
    belongsTo: "org",
    ask: ({ begun }) => ({
      execution: executionOf(begun),
      attempt: { segment: 1, number: 1 },
      events: [{ n: 1n, payload: { case: "message", value: { text: "hello", stepId: "mend" } } }],
    }),
  },
  "workflows_runtime.v1.RequestService/ExplainRunRequest": {
    belongsTo: "org",
    ask: ({ requestId }) => ({ eventId: requestId }),
  },
  "workflows_runtime.v1.RequestService/ReplayRunRequest": {
    belongsTo: "org",
    ask: ({ requestId }) => ({ eventId: requestId }),
    owner: Code.FailedPrecondition, // it has a run
  },
  "workflows_runtime.v1.RequestService/ListRunRequests": {
    belongsTo: "org",
    isList: true,
    ask: ({ requestId }) => ({ eventId: requestId }),
  },
  "workflows_runtime.v1.RequestService/ListPlatformDeliveries": { belongsTo: "platform", ask: () => ({}) },
  "workflows_runtime.v1.RequestService/ListQueue": {
    belongsTo: "org",
    isList: true,
    ask: () => ({}),
  },
  "workflows_runtime.v1.RequestService/HoldQueue": {
    belongsTo: "org",
    makesOwn: true,
    ask: () => ({ what: { of: { case: "repository", value: repository.id } }, reason: "not now" }),
  },
  "workflows_runtime.v1.RequestService/ReleaseQueue": {
    belongsTo: "org",
    ask: () => ({ what: { of: { case: "repository", value: repository.id } } }),
  },
  "workflows_runtime.v1.ArtifactService/ListArtifacts": {
    belongsTo: "org",
    ask: ({ completed }) => ({ runId: completed }),
  },
  "workflows_runtime.v1.ArtifactService/GetArtifactUrl": {
    belongsTo: "org",
    ask: ({ artifact }) => ({ artifactId: artifact }),
  },
  "workflows_runtime.v1.RunWorkerService/BeginRun": {
    belongsTo: "org",
    ask: ({ begun, startCapability }) => ({ execution: executionOf(begun), startCapability }),
  },
  "workflows_runtime.v1.RunWorkerService/CreateArtifactUploads": {
    belongsTo: "org",
    ask: (ids) => ({ execution: executionOf(ids.begun), attempt: { segment: 1, number: 1 }, uploads: [upload(ids)] }),
  },
  "workflows_runtime.v1.RunWorkerService/CompleteArtifactUploads": {
    belongsTo: "org",
    owner: Code.InvalidArgument,
    ask: (ids) => ({ execution: executionOf(ids.begun), report: { segment: 1, attempt: 1 }, uploads: [upload(ids)] }),
  },
  "workflows_runtime.v1.RunWorkerService/PrepareSeal": {
    belongsTo: "org",
    ask: ({ completed }) => ({ execution: executionOf(completed) }),
  },
  "workflows_runtime.v1.RunWorkerService/DeliverHandoff": {
    belongsTo: "org",
    ask: ({ completed }) => ({ execution: executionOf(completed) }),
    owner: Code.FailedPrecondition, // the run has ended
  },
  "workflows_runtime.v1.RunWorkerService/CommitSeal": {
    belongsTo: "org",
    ask: ({ completed }) => ({ execution: executionOf(completed) }),
  },
  "workflows_runtime.v1.RunWorkerService/AbortSeal": {
    belongsTo: "org",
    ask: ({ completed }) => ({
      execution: executionOf(completed),
      outcome: RunStatus.FAILED,
      cause: "internal",
      reason: "it stopped",
    }),
  },
  "governance.v1.ProfileService/PublishProfile": { belongsTo: "tenant", ask: () => ({ profile: profileOf("team") }) },
  "governance.v1.ProfileService/GetProfile": { belongsTo: "tenant", ask: () => ({ id: "team" }) },
  "governance.v1.ProfileService/ListProfiles": { belongsTo: "tenant", ask: () => ({}) },
  "governance.v1.GovernanceService/GetAttestation": {
    belongsTo: "org",
    ask: ({ attestation }) => ({ id: attestation }),
  },
  "governance.v1.GovernanceService/ListAttestations": {
    belongsTo: "org",
    isList: true,
    ask: ({ digest }) => ({ subjectSha256: digest }),
  },
  "governance.v1.GovernanceService/ListSigningKeys": { belongsTo: "installation", ask: () => ({}) },
  "graph.v1.GraphService/ListElements": {
    belongsTo: "org",
    isList: true,
    ask: ({ backlogItem }) => ({ reference: { kind: "backlog_item", id: backlogItem } }),
  },
  "agents.v1.AgentsService/PublishBundle": { belongsTo: "tenant", ask: () => ({ bundle: personaBundle }) },
  "agents.v1.AgentsService/ListPersonas": { belongsTo: "tenant", ask: () => ({}) },
  "agents.v1.AgentsService/GetPersona": { belongsTo: "tenant", ask: () => ({ digest: personaDigest }) },
  "agents.v1.AgentsService/GetBundleUrl": {
    belongsTo: "org",
    ask: ({ begun }) => ({ execution: executionOf(begun), digest: personaDigest }),
  },
};
