import { buildImages } from "./build-images.ts";

/** Set-up of the project whose tests run containers: a build takes longer than a test may. */
export default function setup(): void {
  buildImages();
}
