import { Code, ConnectError } from "@connectrpc/connect";

type Named = { readonly requestId: string } | { readonly eventId: string; readonly source?: string };

/**
 * Asks about a request that is named by its own id or by the event's. A UUID may be either: it is asked for as a request first.
 * @param source - of the event
 */
export async function namedRequest<T>(
  id: string,
  source: string | undefined,
  ask: (named: Named) => Promise<T>,
): Promise<T> {
  if (source === undefined && /^[0-9a-f-]{36}$/.test(id))
    try {
      return await ask({ requestId: id });
    } catch (error) {
      if (ConnectError.from(error).code !== Code.NotFound) throw error;
    }
  return await ask({ eventId: id, ...(source === undefined ? {} : { source }) });
}
