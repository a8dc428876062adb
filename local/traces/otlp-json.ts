/** A span, as it is kept and shown. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: the first of its trace, or the child of a span that somebody else has. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  /** Nanoseconds since 1970 in decimal digits, as OTLP has them. */
  readonly start: string;
  readonly end: string;
  /** Only of a span that failed. */
  readonly error?: string;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** The parts of an ExportTraceServiceRequest in OTLP's JSON that are read here. */
interface Request {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly Attribute[] };
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly startTimeUnixNano?: string;
  readonly endTimeUnixNano?: string;
  readonly attributes?: readonly Attribute[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number };
}

const failed = 2;

/** @throws TypeError when it has another shape */
export function spansOf(request: Request): Span[] {
  return (request.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource?.attributes)["service.name"] ?? "");
    return (scopeSpans ?? []).flatMap(({ spans }) => (spans ?? []).flatMap((span) => spanOf(span, service)));
  });
}

function spanOf(span: OtlpSpan, service: string): Span[] {
  const { traceId = "", spanId = "", parentSpanId = "", name = "", status } = span;
  const [start, end] = [span.startTimeUnixNano, span.endTimeUnixNano].map(String);
  if (!/^[0-9a-f]{32}$/.test(traceId) || !/^\d+$/.test(start ?? "") || !/^\d+$/.test(end ?? "")) return [];
  return [
    {
      traceId,
      spanId,
      parentSpanId,
      name,
      service,
      start: start ?? "",
      end: end ?? "",
      ...(status?.code === failed ? { error: status.message ?? "" } : {}),
      attributes: valuesOf(span.attributes),
    },
  ];
}

const valuesOf = (attributes: readonly Attribute[] = []): Record<string, string | number> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? ""]));
