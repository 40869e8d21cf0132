// What these programs run on, for the test log.
import { readFileSync } from "node:fs";

const PACKAGES = [
  "@adyen/api-library",
  "@octokit/webhooks-examples",
  "@octokit/webhooks-methods",
  "@shopify/shopify-api",
  "@slack/bolt",
  "square",
  "standardwebhooks",
  "stripe",
  "svix",
  "twilio",
];

/** `node 20.20.2, npm standardwebhooks 1.1.1, …` */
export function versions() {
  const installed = PACKAGES.map((name) => {
    const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    return `npm ${name} ${JSON.parse(readFileSync(manifest, "utf8")).version}`;
  });
  return [`node ${process.versions.node}`, ...installed].join(", ");
}
