/** Channels on which processes wake each other. A hint may be lost: whoever listens also looks by itself every second. */
const hintChannels = [
  "automation_release",
  "automation_commands",
  "automation_outbox",
  /** Payload `<tenant>/<runId>`. */
  "automation_run_events",
] as const;

export type HintChannel = (typeof hintChannels)[number];
