// Prints the CycloneDX list of what an image holds: `node images/sbom.ts IMAGE VERSION`, in the folder of its node_modules, where a file IMAGE lists its Debian packages.
import { globSync, readFileSync } from "node:fs";

interface Component {
  readonly type: "application" | "library";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly { readonly expression: string }[];
}

const [, , image = "", imageVersion = ""] = process.argv;

const component = (type: Component["type"], name: string, version: string, purl: string): Component => ({
  ...{ type, "bom-ref": purl, name, version, purl },
});

const node = process.versions.node;
const debian = readFileSync(image, "utf8")
  .trim()
  .split("\n")
  .map((line) => {
    const [name = "", version = "", architecture] = line.split("\t");
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
    return component("library", name, version, purl);
  });
const npm = globSync("node_modules/{,**/node_modules/}{*,@*/*}/package.json").flatMap((file) => {
  const { name, version, license } = JSON.parse(readFileSync(file, "utf8"));
  if (typeof version !== "string") return []; // a part of a package
  const found = component("library", name, version, `pkg:npm/${name.replace("@", "%40")}@${version}`);
  return typeof license === "string" ? { ...found, licenses: [{ expression: license }] } : found;
});
const all = [component("application", "node", node, `pkg:generic/node@${node}`), ...npm, ...debian];
const components = [...new Map(all.map((each) => [each.purl, each])).values()]; // npm may hold a package twice

const metadata = { component: { type: "container", "bom-ref": image, name: image, version: imageVersion } };
process.stdout.write(
  `${JSON.stringify({ bomFormat: "CycloneDX", specVersion: "1.5", version: 1, metadata, components })}\n`,
);
