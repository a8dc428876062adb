import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { CliError } from "../cli-error.ts";

/** Failed connections in words, by Node's error code. */
const noConnection: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name of the host can't be resolved now",
  EHOSTUNREACH: "the host can't be reached",
  ENETUNREACH: "the network can't be reached",
  ETIMEDOUT: "the host does not answer",
};

/** Answers of servers that are not the api, in words. */
const otherSpeech: Readonly<Record<string, string>> = {
  EPROTO: "it does not speak TLS; say http:// for the api of a local stack",
  ECONNRESET: "it ends the connection",
  EPIPE: "it ends the connection",
};

/**
 * Explains an error that the api itself would never give: a wrong address, or another server.
 * @returns undefined when the error may come from the api
 */
export function elsewhereThanApi(error: ConnectError, apiUrl: string): CliError | undefined {
  const remedy = "is `automation up` running, and --api-url right? `automation url api` prints the address";
  const silent = (why: string) =>
    new CliError(3, `the api ${apiUrl} does not answer: ${why}`, { remedy, cause: error });
  const other = (why: string) =>
    new CliError(3, `what listens at ${apiUrl} does not speak as the api does: ${why}`, {
      code: "not_the_api",
      remedy,
      cause: error,
    });
  const { code, reason } = socketFault(error);
  if (noConnection[code] !== undefined) return silent(noConnection[code]);
  if (otherSpeech[code] !== undefined) return other(otherSpeech[code]);
  if (/^(CERT_|ERR_TLS_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code))
    return silent(`its certificate is refused (${code})`);
  if (/^(HPE_|ERR_SSL_)/.test(code)) return other(`it does not speak HTTP as said (${reason})`);
  if (error.code === Code.DeadlineExceeded) return silent("it took the connection and said nothing in time");
  // The api answers JSON of the Connect protocol, whatever it answers, and never the code unknown.
  const isForeign = /^(?:$|HTTP \d{3}$|unsupported content type|cannot decode)/.test(error.rawMessage);
  if (isForeign || error.code === Code.Unknown) return other(error.rawMessage || "it answers something else");
  if (error.code === Code.Unimplemented) return other("it is of another version, or the address has a path too many");
  return undefined;
}

function socketFault(error: Error): { code: string; reason: string } {
  for (let at: unknown = error.cause; at instanceof Error; at = at.cause)
    if ("code" in at && typeof at.code === "string") return { code: at.code, reason: at.message };
  return { code: "", reason: "" };
}
