// Every example event GitHub's own library publishes, numbered per repository, signed as GitHub
// signs, posted shuffled with repeats.
//
//   GITHUB_SECRET=… node send_github.mjs http://HOST:PORT REPORT SEED
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { readdirSync } from "node:fs";
import { sign } from "@octokit/webhooks-methods";
import { postAll } from "./lib/post.mjs";
import { random, shuffled } from "./lib/random.mjs";
import { writeReport } from "./lib/report.mjs";

// Part of the events comes again, some of it more than once.
const REPEATED = 0.3;
// Both are JSON; the gateway must hand on the one it got.
const CONTENT_TYPES = ["application/json", "application/json; charset=utf-8"];

const [base, report, seed] = process.argv.slice(2);
const next = random(Number(seed));

/** All examples: github.com and every server version the package has. */
function examples() {
  const require = createRequire(import.meta.url);
  const root = new URL("node_modules/@octokit/webhooks-examples/", import.meta.url);
  const products = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return products.flatMap(({ name }) =>
    require(`@octokit/webhooks-examples/${name}/index.json`).flatMap((event) =>
      event.examples.map((payload) => ({ type: event.name, payload })),
    ),
  );
}

/** Events that belong to no repository go to a hook of their own, as GitHub sends them. */
function numbered() {
  const last = new Map();
  return examples().map(({ type, payload }) => {
    const repository = payload.repository?.id;
    const source = repository === undefined ? "github_account" : "github";
    const key = repository === undefined ? "none" : String(repository);
    const sequence = (last.get(key) ?? 0) + 1;
    last.set(key, sequence);
    const body = JSON.stringify({ ...payload, sprag_sequence: sequence });
    const contentType = CONTENT_TYPES[sequence % CONTENT_TYPES.length];
    return { source, id: randomUUID(), type, contentType, key, sequence, body };
  });
}

async function request(event) {
  const headers = {
    "content-type": event.contentType,
    "user-agent": "GitHub-Hookshot/interop",
    "x-github-delivery": event.id,
    "x-github-event": event.type,
    "x-hub-signature-256": await sign(process.env.GITHUB_SECRET, event.body),
  };
  return { id: event.id, url: `${base}/in/${event.source}`, headers, body: event.body };
}

const events = numbered();
const requests = await Promise.all(events.map(request));
const again = () => requests.filter(() => next() < REPEATED);
const posts = shuffled([...requests, ...again(), ...again()], next);
// One signed for other bytes: the gateway must not take what was altered on the way.
const altered = requests.slice(0, 20).map((one) => ({ ...one, altered: true, body: `${one.body} ` }));
const answers = await postAll([...altered, ...posts]);
writeReport(report, events, answers);
