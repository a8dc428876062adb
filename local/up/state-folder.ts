import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Document } from "yaml";
import { parseDocument } from "yaml";
import { CliError } from "../../src/cli/cli-error.ts";
import { cloneDir } from "../../src/cli/clone.ts";
import type { FileLock } from "../engines/file-lock.ts";
import { lockFile } from "../engines/file-lock.ts";
import { writeWhole } from "./ports.ts";
import type { UpState } from "./running-stack.ts";

/** Folder of boxes, their trees and toolchains: outside home folders, since a box may run as a user who can't enter them. */
const runAreaOf = (dir: string): string =>
  join("/var/tmp", `automation-${createHash("sha256").update(dir).digest("hex").slice(0, 12)}`);

/** Paths in a stack's folder. */
export const folderOf = (dir: string) => ({
  dir,
  lock: join(dir, "up.lock"),
  upFile: join(dir, "up.json"),
  portsFile: join(dir, "ports.json"),
  secretsFile: join(dir, "secrets.json"),
  /** Passwords of the roles of the database, a file each. */
  passwords: join(dir, "credentials", "postgres"),
  s3Credentials: join(dir, "credentials", "s3"),
  operatorFile: join(dir, "operator.yaml"),
  data: (engine: string) => join(dir, "data", engine),
  log: (name: string) => join(dir, "logs", `${name}.log`),
  pids: join(dir, "pids"),
  keys: join(dir, "keys"),
  issuer: join(dir, "issuer"),
  scrum: join(dir, "scrum"),
  /** Spans of the newest runs. */
  traces: join(dir, "traces"),
  workerToken: join(dir, "tokens", "worker.jwt"),
  scrumToken: join(dir, "tokens", "scrum.token"),
  /** Local repositories that runs of the demo's tenant may work on. */
  repositories: join(dir, "repositories"),
  runArea: runAreaOf(dir),
});

export type Folder = ReturnType<typeof folderOf>;

/** What identifies a stack to others: tokens, addresses and exported evidence depend on it. */
const identity = ["keys", "issuer", "ports.json"];
const contents = [
  "up.json",
  "secrets.json",
  "credentials",
  "operator.yaml",
  "data",
  "logs",
  "pids",
  "tokens",
  "scrum",
  "traces",
  "repositories",
];

/**
 * Locks the folder until this process ends.
 * @throws CliError 1 `already running, pid N, url`
 */
export async function takeFolder(folder: Folder, signal: AbortSignal): Promise<FileLock> {
  makeFolder(folder.dir);
  assertWritable(folder.dir);
  const lock = await lockFile(folder.lock, { wait: false, signal });
  if (lock === undefined) {
    const [pid, url] = readFileSync(folder.lock, "utf8").split("\n");
    throw new CliError(1, `already running, pid ${pid || "unknown"}, ${url || "still starting"}`);
  }
  noteOwner(folder);
  return lock;
}

/**
 * Creates a folder and its parents one by one: Node's recursive `mkdir` never ends below /proc.
 * @throws CliError 2 when the path is no folder or may not be written
 */
function makeFolder(dir: string): void {
  const refuse = (why: string, cause?: unknown) =>
    new CliError(2, `--state ${dir} can't be the folder of a stack: ${why}`, { remedy: "name another one", cause });
  const found = statOf(dir, refuse);
  if (found === undefined) {
    makeFolder(dirname(dir));
    try {
      mkdirSync(dir, { mode: 0o700 });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST")
        throw refuse(`it can't be made (${codeOf(cause)})`, cause);
    }
  } else if (!found.isDirectory()) throw refuse(`${dir} is a file`);
}

function assertWritable(dir: string): void {
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const fault = `--state ${dir} can't be written by this user (${codeOf(cause)})`;
    throw new CliError(2, fault, { remedy: "name another folder, or start as its owner", cause });
  }
}

function statOf(dir: string, refuse: (why: string, cause: unknown) => CliError) {
  try {
    return statSync(dir, { throwIfNoEntry: false });
  } catch (cause) {
    throw refuse(`it can't be looked at (${codeOf(cause)})`, cause);
  }
}

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code ?? "";

/** Records who holds the folder, for those who find it locked. */
export function noteOwner(folder: Folder, apiUrl = ""): void {
  writeFileSync(folder.lock, `${process.pid}\n${apiUrl}\n`);
}

/**
 * Removes what `up` and its processes created there, and nothing else.
 * @param options.newKeys - also the keys of evidence and tokens, and the ports
 */
export function wipe(folder: Folder, { newKeys }: { newKeys: boolean }): void {
  for (const entry of [...contents, ...(newKeys ? identity : [])])
    rmSync(join(folder.dir, entry), { recursive: true, force: true });
  // base trees are read-only; what a box made impassable is left to the worker, who removes it at its start
  if (!existsSync(folder.runArea)) return;
  spawnSync("chmod", ["-R", "u+rwX", folder.runArea]);
  spawnSync("rm", ["-rf", folder.runArea]);
}

const secretNames = [
  "superuser",
  "migrate",
  "api",
  "dispatcher",
  "relay",
  "check",
  "s3AccessKeyId",
  "s3SecretAccessKey",
] as const;
export type Secrets = Record<(typeof secretNames)[number], string>;

/** Writes what the processes log in with to files, as they read it. */
function writeCredentials(folder: Folder, secrets: Secrets): void {
  for (const role of ["migrate", "api", "dispatcher", "relay", "check"] as const)
    writeWhole(join(folder.passwords, role), secrets[role]);
  writeWhole(join(folder.s3Credentials, "access-key-id"), secrets.s3AccessKeyId);
  writeWhole(join(folder.s3Credentials, "secret-access-key"), secrets.s3SecretAccessKey);
}

/** Passwords and keys of the engines, made at the first start. */
export function readSecrets(folder: Folder): Secrets {
  const make = () => randomBytes(24).toString("base64url").replaceAll(/[-_]/g, "x");
  if (!existsSync(folder.secretsFile))
    writeWhole(folder.secretsFile, Object.fromEntries(secretNames.map((name) => [name, make()])));
  const secrets: Partial<Secrets> = JSON.parse(readFileSync(folder.secretsFile, "utf8"));
  if (secrets.check === undefined && secrets.relay !== undefined) {
    secrets.check = make(); // a state from before there was this role; the migration gives it to the database
    writeWhole(folder.secretsFile, secrets);
  }
  for (const name of secretNames) {
    if (typeof secrets[name] === "string") continue;
    throw new CliError(
      1,
      `${folder.secretsFile} holds no ${name}; restore the file, or start with --fresh and lose the data`,
    );
  }
  return secrets as Secrets;
}

/** Folders and files that the processes expect to find. */
export function prepareFolder(folder: Folder): void {
  for (const dir of [folder.keys, join(folder.workerToken, ".."), folder.scrum, folder.repositories])
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (!existsSync(folder.scrumToken)) writeWhole(folder.scrumToken, randomBytes(32).toString("base64url"));
  chmodSync(folder.scrumToken, 0o600);
  writeCredentials(folder, readSecrets(folder));
}

/**
 * Writes the operator file at the first start; later changes only the port of the local Scrum service, and keeps edits.
 * @param previousScrumUrl - where the Scrum service was at the last start
 */
export function writeOperatorFile(folder: Folder, scrumUrl: string, previousScrumUrl: string | undefined): void {
  const endpoint = ["methodologies", "scrum", "endpoint"];
  const first = !existsSync(folder.operatorFile);
  const template = first ? join(cloneDir, "examples", "demo", "operator.yaml") : folder.operatorFile;
  const document = readOperatorDocument(folder, template);
  if (first) {
    document.setIn(endpoint, scrumUrl);
    document.setIn(["methodologies", "scrum", "tokenFile"], folder.scrumToken);
    document.setIn(["workspaces", "isolation"], [process.getuid?.() === 0 ? "uid" : "userns"]);
    document.setIn(["workspaces", "repositories", "roots", 0, "path"], folder.repositories);
  } else {
    if (previousScrumUrl === scrumUrl || document.getIn(endpoint) !== previousScrumUrl) return;
    document.setIn(endpoint, scrumUrl);
  }
  writeOperatorDocument(folder, document);
}

/** Binds every source of Kafka on NATS as well, unless the file has bindings there already. */
export function bindOnNats(folder: Folder): void {
  const document = readOperatorDocument(folder, folder.operatorFile);
  const sources: unknown = document.toJS()?.sources;
  const bindings = Array.isArray(sources) ? sources : []; // the processes say what else is wrong
  if (bindings.some((binding) => binding?.bus === "nats")) return;
  for (const binding of bindings) document.addIn(["sources"], document.createNode({ ...binding, bus: "nats" }));
  writeOperatorDocument(folder, document);
}

function readOperatorDocument(folder: Folder, path: string): Document {
  const document = parseDocument(readFileSync(path, "utf8"));
  if (document.errors.length === 0) return document;
  throw new CliError(
    2,
    `${folder.operatorFile} is not YAML: ${document.errors[0]?.message.split("\n")[0]}; mend it and start again`,
  );
}

const writeOperatorDocument = (folder: Folder, document: Document): void =>
  writeWhole(folder.operatorFile, document.toString({ lineWidth: 0, flowCollectionPadding: false }));

export function writeUpFile(folder: Folder, state: UpState): void {
  writeWhole(folder.upFile, state);
}
