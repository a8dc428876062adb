/** Every metric there is, for the page that lists them. */
import "./check-metrics.ts";
import "./evidence-metrics.ts";
import "./handoff-metrics.ts";
import "./outbox-metrics.ts";
import "./process-metrics.ts";
import "./queue-metrics.ts";
import "./request-metrics.ts";
import "./rpc-metrics.ts";
import "./run-metrics.ts";
import "./secret-metrics.ts";
import "./work-metrics.ts";
