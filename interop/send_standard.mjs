// Events signed by the `standardwebhooks` library of npm, each also with something altered.
//
//   BILLING_SECRET=whsec_… node send_standard.mjs http://HOST:PORT REPORT SEED
import { Webhook } from "standardwebhooks";
import { postAll } from "./lib/post.mjs";
import { random, shuffled } from "./lib/random.mjs";
import { writeReport } from "./lib/report.mjs";

const KEYS = ["npm-one", "npm-two", "npm-three"];
const EVENTS_PER_KEY = 20;

const [base, report, seed] = process.argv.slice(2);
const next = random(Number(seed));
const webhook = new Webhook(process.env.BILLING_SECRET);

function event(key, sequence) {
  // Blanks and characters that a second serialisation would change.
  const body = `{ "customer": "${key}",\n "sequence": ${sequence}, "name": "Zoë \\u00e9 ☃", "x": 1.0 }`;
  const id = `${key}_${sequence}`;
  return { source: "billing", id, type: "", contentType: "application/json", key, sequence, body };
}

function request({ id, contentType, body }) {
  const now = new Date();
  const headers = {
    "content-type": contentType,
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": webhook.sign(id, now, body),
  };
  return { id, url: `${base}/in/billing`, headers, body };
}

/** The same request with another body, another id, another time. */
function alterations(request) {
  const later = String(Number(request.headers["webhook-timestamp"]) + 1);
  const other = (name, value) => ({
    ...request, altered: true, headers: { ...request.headers, [name]: value },
  });
  return [
    { ...request, altered: true, body: request.body.replace('"x": 1.0', '"x": 1.1') },
    other("webhook-id", `${request.id}x`),
    other("webhook-timestamp", later),
  ];
}

const sequences = Array.from({ length: EVENTS_PER_KEY }, (_, index) => index + 1);
const events = KEYS.flatMap((key) => sequences.map((sequence) => event(key, sequence)));
const requests = events.map(request);
const posts = shuffled([...requests, ...requests, ...requests.flatMap(alterations)], next);
writeReport(report, events, await postAll(posts));
