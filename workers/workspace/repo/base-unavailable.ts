import { lastWords } from "../../../src/text/strangers-text.ts";
import { hostFaultOf } from "../host/host-fault.ts";
import { GitError, GitTimeoutError } from "./run-git.ts";

/** The base of a run is not available. */
export class BaseUnavailableError extends Error {
  override readonly name = "BaseUnavailableError";
  readonly code = "base_unavailable";
  readonly reason: string;
  readonly remedy: string;
  /** Whether a later attempt may succeed without a change, as after network errors. */
  readonly isPassing: boolean;

  constructor(reason: string, remedy: string, options: ErrorOptions & { readonly isPassing?: boolean } = {}) {
    super(`${reason}; ${remedy}`, options);
    this.reason = reason;
    this.remedy = remedy;
    this.isPassing = options.isPassing ?? false;
  }
}

interface Kind {
  readonly says: RegExp;
  readonly isPassing: boolean;
  readonly remedy: string;
}

/** What git says when it meets a limit that `runGit` sets. */
const bounds: readonly Kind[] = [
  {
    says: /out of memory|unable to create thread/i,
    isPassing: false,
    remedy:
      "it needs more memory than git may use on a worker: remove huge files from it, or have the operator raise AUTOMATION_GIT_MEMORY_BYTES",
  },
  {
    says: /file too large/i,
    isPassing: false,
    remedy:
      "it is larger than the mirrors of a tenant may be: make it smaller, or have the operator raise AUTOMATION_MIRROR_QUOTA_BYTES",
  },
  {
    says: /died of signal (11|24)|stack overflow/i,
    isPassing: false,
    remedy: "its folders are nested too deep, or it takes too long to read: remove what is not needed from it",
  },
];

/** What git and curl say about the remote, in English (`LC_ALL=C`). The first match counts. */
const kinds: readonly Kind[] = [
  {
    says: /from promisor remote|lazy fetching disabled/i,
    isPassing: false,
    remedy: "it is a partial clone that lacks files of this commit: clone it to that place without --filter",
  },
  {
    says: /unknown repository extension|Expected git repo version/i,
    isPassing: false,
    remedy: "it has a format that the git of this worker can't read: clone it to that place anew, without --ref-format",
  },
  {
    says: /redirect|The requested URL returned error: 3\d\d/i,
    isPassing: false,
    remedy: "redirects are not followed: declare the URL that the server redirects to",
  },
  {
    says: /SSL_ERROR_(SYSCALL|ZERO_RETURN)|SSL_read|SSL_connect|non-properly terminated|pull function|SSL connection timeout/i,
    isPassing: true,
    remedy: "check the network between this worker and the server",
  },
  {
    says: /certificate|SSL|TLS/i,
    isPassing: false,
    remedy: "if the server is right, have the operator add its CA with AUTOMATION_REPOSITORY_CA_FILE",
  },
  {
    says: /(returned error:|HTTP) (5\d\d|408|425|429)/i,
    isPassing: true,
    remedy: "the server is in trouble",
  },
  {
    says: /returned error: 4\d\d|could not read (Username|Password)|terminal prompts disabled|Authentication failed|not found|does not appear to be a git repository|Could not read from remote repository/i,
    isPassing: false,
    remedy: "check the URL, and that the repository can be read without a password",
  },
  {
    says: /Could not resolve|(Failed|Couldn't|unable) to connect|Connection (refused|reset|timed out)|timed? ?out|too slow|early EOF|RPC failed|hung up|unexpected disconnect|Empty reply|transfer closed|Recv failure/i,
    isPassing: true,
    remedy: "check the network between this worker and the server",
  },
  {
    says: /mismatched algorithms|object format/i,
    isPassing: false,
    remedy: "repositories with sha256 names are not supported",
  },
  {
    says: /invalid index-pack output|index-pack failed|pack-objects died/i,
    isPassing: false,
    remedy: "it takes more time to unpack than git may use on a worker, or is damaged: try `git fetch` of it by hand",
  },
];

/**
 * Explains why a fetch or a listing of a remote failed.
 * @returns undefined when the fault may be this worker's
 */
export function faultOfRemote(url: string, error: unknown): BaseUnavailableError | undefined {
  if (error instanceof GitTimeoutError)
    return unavailable(url, error.message, "check the network and the repository's size", true, error);
  if (!(error instanceof GitError)) return undefined;
  const bound = bounds.find(({ says }) => says.test(error.stderr));
  if (bound === undefined && hostFaultOf(error) !== undefined) return undefined;
  const kind = bound ?? kinds.find(({ says }) => says.test(error.stderr));
  return kind && unavailable(url, lastLineOf(error), kind.remedy, kind.isPassing, error);
}

/** As `faultOfRemote`, for errors that are known not to be this worker's fault. */
export function remoteFault(url: string, error: Error): BaseUnavailableError {
  return (
    faultOfRemote(url, error) ??
    unavailable(url, lastLineOf(error), "try `git fetch` of it by hand to see more", false, error)
  );
}

function unavailable(url: string, why: string, remedy: string, isPassing: boolean, cause: unknown) {
  return new BaseUnavailableError(`the repository ${url} can't be read: ${why}`, remedy, { isPassing, cause });
}

const shownCharacters = 500;
/** One line, without control characters that a server may have sent. */
const lastLineOf = (error: Error): string => {
  const said = (error instanceof GitError && error.stderr.trim()) || error.message;
  return lastWords(said.replace(/[\p{Cc}\s]+/gu, " "), shownCharacters);
};
