import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Fixed, so that the same files make the same commit. */
const when = "2026-01-05T09:00:00Z";

/** An empty folder that goes when it is disposed of. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "automation-repositories-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs git as a person would, without that person's settings. */
export function git(cwd: string, args: readonly string[], input: string | Buffer = ""): string {
  return execFileSync("git", ["-c", "protocol.file.allow=always", ...args], {
    cwd,
    input,
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      HOME: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: "Ada",
      GIT_AUTHOR_EMAIL: "ada@example.org",
      GIT_AUTHOR_DATE: when,
      GIT_COMMITTER_NAME: "Ada",
      GIT_COMMITTER_EMAIL: "ada@example.org",
      GIT_COMMITTER_DATE: when,
    },
  })
    .toString("utf8")
    .trim();
}

/** One entry of a tree, exactly as given: git's own rules for names and modes don't count. */
export interface RawEntry {
  readonly mode: string;
  readonly name: string | Buffer;
  /** 40 hex. */
  readonly object: string;
}

export interface TestRepository {
  /** Folder of the repository, not bare. */
  readonly path: string;
  readonly url: string;
  git(args: readonly string[], input?: string | Buffer): string;
  /** Commits files as they are given, a name ending in `*` is a program, and links, path → target. @returns the commit */
  commit(files: Readonly<Record<string, string | Buffer>>, links?: Readonly<Record<string, string>>): string;
  blob(bytes: string | Buffer): string;
  /** Writes a tree that `git add` would refuse. */
  rawTree(entries: readonly RawEntry[]): string;
  /** Makes `main` a commit of that tree. */
  commitTree(tree: string): string;
}

/** Makes an empty repository at a path. */
export function createRepository(path: string): TestRepository {
  mkdirSync(path, { recursive: true });
  git(path, ["init", "--quiet", "--initial-branch=main", "--template="]);
  const run = (args: readonly string[], input?: string | Buffer) => git(path, args, input);
  const commitTree = (tree: string) => {
    const parent = run(["for-each-ref", "--format=%(objectname)", "refs/heads/main"]);
    const commit = run(["commit-tree", tree, ...(parent === "" ? [] : ["-p", parent]), "-m", "Change"]);
    run(["update-ref", "refs/heads/main", commit]);
    return commit;
  };
  const blob = (bytes: string | Buffer) => run(["hash-object", "-w", "--no-filters", "--stdin"], bytes);
  return {
    path,
    url: `file://${path}`,
    git: run,
    blob,
    commit(files, links = {}) {
      const lines = Object.entries(files).map(([name, bytes]) => {
        const isProgram = name.endsWith("*");
        return `${isProgram ? "100755" : "100644"} ${blob(bytes)}\t${isProgram ? name.slice(0, -1) : name}\0`;
      });
      const linked = Object.entries(links).map(([name, target]) => `120000 ${blob(target)}\t${name}\0`);
      run(["update-index", "-z", "--add", "--index-info"], [...lines, ...linked].join(""));
      return commitTree(run(["write-tree"]));
    },
    rawTree(entries) {
      const parts = entries.map(({ mode, name, object }) =>
        Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name), Buffer.from([0]), Buffer.from(object, "hex")]),
      );
      return run(["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], Buffer.concat(parts));
    },
    commitTree,
  };
}

/** Puts a file into the repository's own folder (`.git/…`, for example a hook). */
export function putFile(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode });
}

export interface GitServer {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** PEM file of the authority that its certificate is from. */
  readonly caFile: string;
  /** Requests that it got, `<method> <path>`. */
  readonly requests: string[];
  urlOf(name: string): string;
  stop(): Promise<void>;
}

/**
 * Serves the repositories of a folder over https with git's own `git http-backend`.
 * `/moved/<name>` redirects to `/<name>`, `/down/<name>` answers 503, `/secret/<name>` asks for a password, `/stalled/<name>` never answers.
 * @param dir - for its certificate
 */
export async function startGitServer(root: string, dir: string): Promise<GitServer> {
  mkdirSync(dir, { recursive: true });
  const [keyFile, certFile] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const openssl = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", [...openssl, ...names, "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
  const [key, cert] = [keyFile, certFile].map((file) => execFileSync("cat", [file]));
  const requests: string[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const [, place = "", ...rest] = (request.url ?? "").split("/");
    if (place === "moved") response.writeHead(302, { location: `/${rest.join("/")}` }).end();
    else if (place === "down") response.writeHead(503).end();
    else if (place === "secret") response.writeHead(401, { "www-authenticate": "Basic" }).end();
    else if (place !== "stalled") serve(root, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    caFile: certFile,
    requests,
    urlOf: (name) => `https://${host}/${name}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** CGI, RFC 3875, as far as git's program needs it. */
function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "", "https://localhost");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env.PATH,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => undefined);
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  let isBody = false;
  child.stdout.on("data", (chunk: Buffer) => {
    if (isBody) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    isBody = true;
    const headers = head
      .subarray(0, end)
      .toString("latin1")
      .split("\r\n")
      .map((line) => line.split(/: */, 2) as [string, string]);
    const status = headers.find(([name]) => name.toLowerCase() === "status")?.[1] ?? "200";
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers));
    response.write(head.subarray(end + 4));
  });
  child.on("close", () => response.end());
}
