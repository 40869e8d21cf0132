// A consumer as its author would write it: verify with the official library, answer, go on. It
// records every delivery as a JSON line: headers, raw body, what the library said, and what it
// said when one byte was altered.
//
//   APP_SECRET=whsec_… node consumer.mjs RECORD
//
// Prints a JSON object with its port and versions, then for each line `until N` on standard input
// `recorded N` once N different deliveries are on record. Ends with its standard input.
import { appendFileSync } from "node:fs";
import http from "node:http";
import { createInterface } from "node:readline";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { versions } from "./lib/versions.mjs";

const [record] = process.argv.slice(2);
const webhook = new Webhook(process.env.APP_SECRET);
const seen = new Set();
let wanted = Infinity;

function accepts(body, headers) {
  try {
    webhook.verify(body, headers, { jsonParse: false });
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

/** The body with one byte altered; another byte for every delivery. */
function altered(body) {
  const copy = Buffer.from(body);
  let at = (seen.size * 7919) % copy.length;
  // A byte of ASCII, so that the bytes stay UTF-8 and the signature alone can tell.
  while (copy[at] >= 0x80) at = (at + 1) % copy.length;
  copy[at] ^= 1;
  return copy;
}

function take(request, body) {
  const { headers } = request;
  const accepted = accepts(body, headers);
  const otherId = { ...headers, "webhook-id": `${headers["webhook-id"]}0` };
  const alteredAccepted = accepts(altered(body), headers) || accepts(body, otherId);
  const line = { path: request.url, headers, body: body.toString("base64"), accepted, alteredAccepted };
  appendFileSync(record, `${JSON.stringify(line)}\n`);
  seen.add(headers["webhook-id"]);
  return accepted;
}

function announce() {
  if (seen.size < wanted) return;
  console.log(`recorded ${seen.size}`);
  wanted = Infinity;
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    response.writeHead(take(request, Buffer.concat(parts)) ? 204 : 401).end();
    announce();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port, versions: versions() }));
});
createInterface({ input: process.stdin })
  .on("line", (line) => {
    wanted = Number(line.replace(/^until /, ""));
    announce();
  })
  .on("close", () => process.exit(0));
