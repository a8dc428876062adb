/**
 * Makes strangers' text (paths, names of tests) fit to be shown in a line: control characters as `\xNN`, and cut.
 * @param most - characters
 */
export function shownText(text: string, most: number): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
