import { createHash } from "node:crypto";
import type { UploadJson } from "../../gen/automation/v1/run_work_pb.ts";
import { sizeOf } from "../upload-rules.ts";

/** The objects that a work uploaded, by sha256. */
export interface Uploads {
  has(sha256: string | undefined): boolean;
  /** Bytes; 0 for an object that was not uploaded. */
  sizeOf(sha256: string | undefined): number;
  /** The object, after it was hashed again; or why it does not count, for people. */
  read(sha256: string | undefined): Promise<Uint8Array | { readonly fault: string }>;
}

/** @param read - gives an object by its sha256, empty when it is not there; rejects when it can't tell */
export function uploadsOf(named: readonly UploadJson[], read: (sha256: string) => Promise<Uint8Array>): Uploads {
  const sizes = new Map(named.map((upload) => [upload.sha256, sizeOf(upload)]));
  return {
    has: (sha256) => sizes.has(sha256),
    sizeOf: (sha256) => sizes.get(sha256) ?? 0,
    read: async (sha256 = "") => {
      if (!sizes.has(sha256)) return { fault: `it is not among the uploads (sha256 ${sha256 || "not named"})` };
      const bytes = await read(sha256);
      const isSame = createHash("sha256").update(bytes).digest("hex") === sha256;
      return isSame ? bytes : { fault: `the object is not the one with sha256 ${sha256}` };
    },
  };
}
