import type { Command } from "commander";
import { registerApply } from "./apply.ts";
import { registerArtifact } from "./artifact.ts";
import { registerAttestation } from "./attestation.ts";
import { registerDefinition } from "./definition.ts";
import { registerDelivery } from "./delivery.ts";
import { registerDemo } from "./demo.ts";
import { registerEvent } from "./event.ts";
import { registerGraph } from "./graph.ts";
import { registerKey } from "./key.ts";
import { registerPersona } from "./persona.ts";
import { registerProfile } from "./profile.ts";
import { registerQueue } from "./queue.ts";
import { registerRepository } from "./repository.ts";
import { registerRequest } from "./request.ts";
import { registerRule } from "./rule.ts";
import { registerRun } from "./run.ts";
import { registerToken } from "./token.ts";
import { registerUp } from "./up.ts";
import { registerUrl } from "./url.ts";

/** What people type; each command is in the file of its name. */
export function registerCommands(program: Command): void {
  registerUp(program);
  registerRun(program);
  registerRequest(program);
  registerDelivery(program);
  registerQueue(program);
  registerEvent(program);
  registerApply(program);
  registerDefinition(program);
  registerProfile(program);
  registerRule(program);
  registerRepository(program);
  registerPersona(program);
  registerArtifact(program);
  registerAttestation(program);
  registerKey(program);
  registerGraph(program);
  registerDemo(program);
  registerUrl(program);
  registerToken(program);
}
