import { stringify } from "yaml";
import type { Slo } from "./slos.ts";
import { slos } from "./slos.ts";

export const errorRatio = (window: string): string => `namespace:automation_slo_errors:ratio_rate${window}`;
const errors = (window: string): string => `namespace:automation_slo_errors:increase${window}`;
const windows = ["5m", "30m", "1h", "6h", "3d"];

/**
 * When a budget burns so fast over both windows: 2 % of 28 days' budget in an hour, 5 % in six, 10 % in three days (Google's SRE workbook, chapter 5).
 * `least` is how many must be bad in the long window: a single failure in a quiet night wakes nobody.
 */
const burns = [
  { severity: "page", factor: 14.4, long: "1h", short: "5m", least: 5 },
  { severity: "page", factor: 6, long: "6h", short: "30m", least: 10 },
  { severity: "ticket", factor: 1, long: "3d", short: "6h", least: 1 },
] as const;

/** @returns the rules of all SLOs for Prometheus, as YAML */
export function sloRules(): string {
  // one group each: its rules are evaluated in their order
  const groups = slos.map((slo) => ({ name: `automation-slo-${slo.id}`, rules: [...recordings(slo), ...alerts(slo)] }));
  return `# Written from monitoring/slos.ts by \`npx vitest run --project unit monitoring -u\`.\n${stringify({ groups }, { lineWidth: 0 })}`;
}

const recordings = (slo: Slo) => [
  ...windows.map((window) => ({
    record: errorRatio(window),
    expr: `${slo.bad("rate", window)} / ${slo.all("rate", window)}`,
    labels: { slo: slo.id },
  })),
  ...burns.map(({ long }) => ({ record: errors(long), expr: slo.bad("increase", long), labels: { slo: slo.id } })),
];

const alerts = ({ id, alert, promise, objective, runbook }: Slo) =>
  burns.map(({ severity, factor, long, short, least }) => {
    const limit = Number((factor * (1 - objective)).toPrecision(6));
    return {
      alert,
      expr: `${errorRatio(long)}{slo="${id}"} > ${limit} and ${errorRatio(short)}{slo="${id}"} > ${limit} and ${errors(long)}{slo="${id}"} >= ${least}`,
      labels: { severity, window: long },
      annotations: {
        summary: `{{ $value | humanizePercentage }} are bad over ${long}, of what is promised: ${promise}`,
        description: `The budget of errors of 28 days burns ${factor} times as fast as it may, over ${long} and still over ${short}.`,
        runbook_url: `docs/operating/runbooks/${runbook}.md`,
      },
    };
  });
