/** Builds dashboards for Grafana, as its JSON model has them. */

interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** A panel; its place follows from its order. */
export interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly type?: "timeseries" | "stat" | "table";
  /** One of Grafana's: s, percentunit, bytes, short, reqps … */
  readonly unit?: string;
  readonly queries: readonly Query[];
}

export interface Dashboard {
  /** Name of its file, and its id in Grafana. */
  readonly name: string;
  readonly title: string;
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

/** The installation that is shown; without Kubernetes there is no such label, and all are. */
export const here = 'namespace=~"$namespace"';

export const query = (legend: string, expr: string): Query => ({ expr, legend });

/** Per second, by labels. @param selector - of the metric, beside the installation */
export const rate = (metric: string, by: string, selector = ""): string =>
  `sum by (${by}) (rate(${metric}{${[here, selector].filter((text) => text !== "").join(", ")}}[$__rate_interval]))`;

/** Median and 95th or 99th percentile of a histogram. */
export const quantiles = (histogram: string, by = "", selector = ""): Query[] =>
  [0.5, 0.95, 0.99].map((quantile) =>
    query(
      `p${quantile * 100}${by === "" ? "" : ` {{${by}}}`}`,
      `histogram_quantile(${quantile}, ${rate(`${histogram}_bucket`, ["le", by].filter((text) => text !== "").join(", "), selector)})`,
    ),
  );

/** A gauge that every replica shows the same of. */
export const shared = (gauge: string, by: string, selector = ""): string =>
  `max by (${by}) (${gauge}{${[here, selector].filter((text) => text !== "").join(", ")}})`;

const datasource = { type: "prometheus", uid: "$datasource" };
const widthOfGrid = 24;

/** @returns the dashboard as Grafana imports it */
export function toGrafana({ name, title, rows }: Dashboard): string {
  let y = 0;
  let id = 0;
  const panels = rows.flatMap((row) => {
    const heading = {
      id: ++id,
      type: "row",
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    };
    const w = Math.floor(widthOfGrid / row.panels.length);
    const h = row.panels.every(({ type }) => type === "stat") ? 4 : 8;
    const drawn = row.panels.map((panel, index) => draw(panel, ++id, { x: index * w, y: y + 1, w, h }));
    y += 1 + h;
    return [heading, ...drawn];
  });
  const model = {
    uid: `automation-${name}`,
    title: `Automation scheduler: ${title}`,
    tags: ["automation-scheduler"],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: "1m",
    time: { from: "now-6h", to: "now" },
    timezone: "",
    links: [
      {
        type: "dashboards",
        title: "Automation scheduler",
        tags: ["automation-scheduler"],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
      },
    ],
    templating: { list: [datasourceVariable, namespaceVariable] },
    annotations: { list: [] },
    panels,
  };
  return `${JSON.stringify(model, undefined, 2)}\n`;
}

const datasourceVariable = {
  type: "datasource",
  name: "datasource",
  label: "Prometheus",
  query: "prometheus",
  hide: 0,
  current: {},
};
const namespaceVariable = {
  type: "query",
  name: "namespace",
  label: "Namespace",
  datasource,
  query: { query: "label_values(automation_build_info, namespace)", refId: "namespace" },
  definition: "label_values(automation_build_info, namespace)",
  refresh: 2,
  sort: 1,
  includeAll: true,
  multi: true,
  allValue: ".*",
  current: { text: "All", value: "$__all" },
};

function draw(
  { title, description = "", type = "timeseries", unit = "short", queries }: Panel,
  id: number,
  gridPos: object,
) {
  const isInstant = type !== "timeseries";
  return {
    id,
    type,
    title,
    description,
    datasource,
    gridPos,
    fieldConfig: { defaults: { unit, ...(type === "timeseries" ? lines : {}) }, overrides: [] },
    options: optionsOf[type],
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource,
      expr,
      legendFormat: legend,
      ...(isInstant ? { instant: true, range: false } : {}),
      ...(type === "table" ? { format: "table" } : {}),
    })),
  };
}

const lines = { min: 0, custom: { lineWidth: 1, fillOpacity: 10, showPoints: "never", spanNulls: false } };
const optionsOf = {
  timeseries: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
  stat: { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value", graphMode: "none", textMode: "auto" },
  table: { showHeader: true },
};
