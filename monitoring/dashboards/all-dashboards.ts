import type { Dashboard } from "../dashboard.ts";
import { dependencies } from "./dependencies.ts";
import { dispatcher } from "./dispatcher.ts";
import { methodology } from "./methodology.ts";
import { relay } from "./relay.ts";
import { runs } from "./runs.ts";
import { security } from "./security.ts";
import { serviceOverview } from "./service-overview.ts";

export const dashboards: readonly Dashboard[] = [
  serviceOverview,
  dispatcher,
  runs,
  relay,
  methodology,
  dependencies,
  security,
];
