import { shownText } from "../text/strangers-text.ts";

const maxIdLength = 100;

/**
 * What a caller named is not there for it: nobody has it, another scope has it, or it can't be the name of anything. All of these are told alike, so that the answer says nothing of other scopes.
 * Its heirs give a name and a stable code.
 */
export abstract class UnknownIdError extends Error {
  /**
   * @param field - of the request, as the protos have it
   * @param rule - what would be an id
   * @param remedy - the command that shows those there are
   */
  constructor(field: string, id: string, { rule, remedy }: { readonly rule: string; readonly remedy: string }) {
    super(`${field} "${shownText(id, maxIdLength)}" is not known here: it must be ${rule}; ${remedy}`);
  }
}
