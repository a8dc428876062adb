/** @returns the OTEL_* variables when they name a collector, for processes that are started here */
export function otlpEnvironment(source: NodeJS.ProcessEnv): Record<string, string> | undefined {
  if (source.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(source).flatMap(([name, value]) =>
      name.startsWith("OTEL_") && value !== undefined ? [[name, value]] : [],
    ),
  );
}
