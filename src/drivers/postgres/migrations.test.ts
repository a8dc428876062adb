import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const folder = join(import.meta.dirname, "migrations");

/** sha256 of each migration. A line is added with a new file, and never changed: databases that ran the file would differ from those that will. */
const landed: Record<string, string> = {
  "0001_tenant_isolation.sql": "1f0558f52fd37c8237a51e4f67e9f9f64b16f96c61d116670cb38ef9cbd24cc0",
  "0002_declarations.sql": "a6cecc023fb3f45ad97512b1d9dddd3926df244607debbed76fb84e097fb2bdc",
  "0003_requests.sql": "635c990ffd274a38aef360acc71225dddd5d8c0154c159cae7bb58e9b7958ede",
  "0004_runs.sql": "86137b55927bfe1f41b66cb7dac8bfa77b9d9a0891453bdda22255ec3b40a84e",
  "0005_outbox.sql": "16ae7e05b258cf0a809e7a7d9f05f4b7f03374eb10225519690381fcc1a99278",
  "0006_work.sql": "f755473c96b0277455b8e9084f01915c8c29b44d9e147df0e514cc89cdfce44b",
  "0007_proof.sql": "cc93419f80e3693adec1a580350857e8467db3086a70be54533bddb89deccdb1",
  "0008_seal.sql": "c6e83f5d94e400640f804848b027fb7d3c0aed9e9830539e6875193598d0c16e",
  "0009_graph.sql": "9890712d1d4442bf40449decc717f353d7e6cda0a91815f8bd029e7fbc1a7b7c",
  "0010_reconciliations.sql": "66b53d00ded9afca427ae0111f8c8b66a2167dac3a3597164b29c94dddc4cc81",
  "0011_metrics.sql": "a4d8276b37593e0b7f42f0a6b5e79dd583fa343279e766927046f6c0736a7404",
  "0012_reruns.sql": "a1605f3b28ab945929d0f86579e85b4289c8f9c7bfa330f8520feaff161aebce",
  "0013_queue_limits.sql": "0b4994f0a305fa6db013206317cc9a1d0fdef70e733e40eea5d992fc5360cf22",
  "0014_check.sql": "4bcac182ed5daf6a0d810980efacf04c91bd53805330f8cc838b21d0e28d7447",
  "0015_rules_tried.sql": "3a8cfed0cda5c189d6ef9c513b97dfb6cca342e423a8f7d8793db0978b3c203d",
  "0016_rule_versions.sql": "b4e564d9d38b533ca1dca60a19d575691b3cc18ae570489dfa6615797845c18d",
  "0017_replays.sql": "3473c925afdffc19c0b699336d1b66b691c243ddb28b8187ffb811ca1af2788e",
  "0018_named_objects.sql": "d6127c1429e62183f25ff0ad56c1da3621c011633ce09d569ffca045a2962a55",
  "0019_queue_lanes.sql": "7ddaf8e6fca34fe43b812f7dbbd0ed52e1b14d0a8f20d8390cb94b14fbb3d630",
  "0020_references_by_time.sql": "0c6f18525608ca9baa2a0e33e4621b439b9b8139d852c317b60b470a6c689414",
  "0021_retention.sql": "4385821754a2595db2b1b02a6a4692cb01b81df5239e6e10e07276067cb1019b",
  "0022_queue_holds.sql": "b3aa07703f5c739d63ac8af5cf9b4bf58973edc240c15cecb1180061cd0b3514",
};

it("has every migration as it landed", () => {
  const files = readdirSync(folder).toSorted();
  const digests = files.map((file) => [
    file,
    createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex"),
  ]);
  expect(Object.fromEntries(digests)).toEqual(landed);
});
