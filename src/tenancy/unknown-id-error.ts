import { shownText } from "../text/strangers-text.ts";

const maxIdLength = 100;

/**
 * The caller's scope has nothing with this id. The message is the same when another scope has it or when it can't be an id, so that it reveals nothing about other scopes.
 * Subclasses set the name and a stable code.
 */
export abstract class UnknownIdError extends Error {
  /**
   * @param field - name in the proto request
   * @param rule - what the id must be
   * @param remedy - the command that lists known ids
   */
  constructor(field: string, id: string, { rule, remedy }: { readonly rule: string; readonly remedy: string }) {
    super(`${field} "${shownText(id, maxIdLength)}" is not known here: it must be ${rule}; ${remedy}`);
  }
}
