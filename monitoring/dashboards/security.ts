import type { Dashboard } from "../dashboard.ts";
import { here, query, rate } from "../dashboard.ts";

const refused = 'rpc_response_status_code=~"permissiondenied|unauthenticated"';

export const security: Dashboard = {
  name: "security",
  title: "Security and audit",
  rows: [
    {
      title: "Calls",
      panels: [
        {
          title: "Refused for their token or tenant, a second",
          queries: [
            query(
              "{{rpc_response_status_code}}",
              rate("rpc_server_call_duration_seconds_count", "rpc_response_status_code", refused),
            ),
          ],
        },
        {
          title: "Refused by method",
          type: "table",
          queries: [
            query(
              "",
              `sort_desc(sum by (rpc_method, rpc_response_status_code) (increase(rpc_server_call_duration_seconds_count{${here}, ${refused}}[$__range])))`,
            ),
          ],
        },
        {
          title: "Refused for their content or rate, a second",
          queries: [
            query(
              "{{rpc_response_status_code}}",
              rate(
                "rpc_server_call_duration_seconds_count",
                "rpc_response_status_code",
                'rpc_response_status_code=~"invalidargument|resourceexhausted"',
              ),
            ),
          ],
        },
      ],
    },
    {
      title: "Events",
      panels: [
        {
          title: "Quarantined, by reason",
          description: "Among them events of sources that may not speak for the tenant they name.",
          queries: [
            query(
              "{{reason}}",
              `sum by (reason) (increase(automation_dispatch_dispositions_total{${here}, disposition="quarantined"}[$__rate_interval]))`,
            ),
          ],
        },
        {
          title: "The same id with other content",
          queries: [
            query(
              "conflicts",
              `sum(increase(automation_dispatch_dispositions_total{${here}, disposition="conflict"}[$__rate_interval]))`,
            ),
          ],
        },
      ],
    },
    {
      title: "Boxes",
      panels: [
        {
          title: "Ended by a limit of their policy",
          queries: [
            query("{{limit}}", `sum by (limit) (increase(automation_box_limits_hit_total{${here}}[$__rate_interval]))`),
          ],
        },
        {
          title: "Runs without a sandbox to work in",
          queries: [
            query(
              "{{outcome}}",
              `sum by (outcome) (increase(automation_runs_aborted_total{${here}, reason="sandbox_unavailable"}[$__rate_interval]))`,
            ),
          ],
        },
      ],
    },
    {
      title: "Credentials",
      panels: [
        {
          title: "Age of the file that is in use, by secret: the newest and the oldest",
          unit: "s",
          queries: [
            query("{{secret}}, newest", `min by (secret) (automation_secret_age_seconds{${here}})`),
            query("{{secret}}, oldest", `max by (secret) (automation_secret_age_seconds{${here}})`),
          ],
        },
        {
          title: "Files that can't be used",
          description: "The credential before stays in use.",
          queries: [query("{{secret}}", `sum by (secret) (automation_secret_unusable{${here}})`)],
        },
      ],
    },
    {
      title: "What runs",
      panels: [
        {
          title: "Versions",
          type: "table",
          queries: [query("", `count by (process, version, node) (automation_build_info{${here}})`)],
        },
      ],
    },
  ],
};
