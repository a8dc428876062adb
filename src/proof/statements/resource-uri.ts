/** @returns `automation://<tenant>/<segment>/…`, each segment percent-encoded */
export function resourceUri(tenant: string, ...segments: readonly string[]): string {
  return `automation://${tenant}/${segments.map(encodeURIComponent).join("/")}`;
}
