// Real-shaped events of providers, signed by their own libraries, each also altered. Where a
// library only verifies, it has to take what is sent here and refuse what is altered, as the
// gateway has to.
//
//   PROVIDER_SECRET=whsec_… GITHUB_SECRET=… ADYEN_HMAC_KEY=… node send_providers.mjs http://HOST:PORT REPORT SEED
import { createHmac, randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { IncomingMessage } from "node:http";
import adyen from "@adyen/api-library";
import { sign as signGithub } from "@octokit/webhooks-methods";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import bolt from "@slack/bolt";
import { WebhooksHelper } from "square";
import { Webhook as StandardWebhook } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook } from "svix";
import twilio from "twilio";
import { postAll } from "./lib/post.mjs";
import { random, shuffled } from "./lib/random.mjs";
import { writeReport } from "./lib/report.mjs";

const KEYS = 3;
const EVENTS_PER_KEY = 8;
const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

const [base, report, seed] = process.argv.slice(2);
const next = random(Number(seed));
const secret = process.env.PROVIDER_SECRET;
const now = Math.floor(Date.now() / 1000);
const hmac = (encoding, ...parts) => {
  const mac = createHmac("sha256", secret);
  parts.forEach((part) => mac.update(part));
  return mac.digest(encoding);
};

const stripe = new Stripe("sk_test_none");
const svix = new Webhook(secret);
const standard = new StandardWebhook(secret);
const adyenKey = process.env.ADYEN_HMAC_KEY;
const adyenValidator = new adyen.hmacValidator();
const shopify = shopifyApi({
  apiKey: "none",
  apiSecretKey: secret,
  apiVersion: Object.values(ApiVersion).at(-1),
  hostName: "sprag.example",
  isEmbeddedApp: false,
  logger: { log: () => {} },
});

/** Characters that a second serialisation would change. */
const text = "Zoë \\u00e9 ☃";

function stripeEvent(key, number) {
  const id = `evt_${key}_${number}`;
  const object = `{"id":"${key}","object":"customer","name":"${text}","balance":1.0}`;
  const body = `{ "id":"${id}", "object":"event","created":${now},"type":"customer.updated","data":{"object":${object}}}`;
  const headers = {
    "stripe-signature": stripe.webhooks.generateTestHeaderString({ payload: body, secret }),
  };
  return { id, body, headers, takes: (other) => takes(() => stripe.webhooks.constructEvent(other, headers["stripe-signature"], secret)) };
}

function svixEvent(key, number) {
  const id = `msg_${key}_${number}`;
  const body = `{"type":"user.updated", "data":{"id":"${key}","name":"${text}"}}`;
  const date = new Date();
  const headers = {
    "svix-id": id,
    "svix-timestamp": String(Math.floor(date.getTime() / 1000)),
    "svix-signature": svix.sign(id, date, body),
  };
  return { id, body, headers, takes: (other) => takes(() => svix.verify(other, headers)) };
}

function shopifyEvent(key, number) {
  const id = `${key}-${number}`;
  const body = `{"id":${number},"admin_graphql_api_id":"${key}","note":"${text}","total":1.0}`;
  const headers = {
    "x-shopify-topic": "orders/updated",
    "x-shopify-shop-domain": "shop-one",
    "x-shopify-api-version": "2026-07",
    "x-shopify-webhook-id": id,
    "x-shopify-triggered-at": new Date().toISOString(),
    "x-shopify-hmac-sha256": hmac("base64", body),
  };
  const accepts = async (other) => {
    const rawRequest = Object.assign(new IncomingMessage(null), { headers, method: "POST", url: "/" });
    return (await shopify.webhooks.validate({ rawBody: other, rawRequest })).valid;
  };
  return { id, key: `shop-one/${key}`, body, headers, takes: accepts };
}

function slackEvent(key, number) {
  const id = `Ev${key}${number}`;
  const event = `{"type":"message","channel":"${key}","text":"${text}","ts":"1.${number}"}`;
  const body = `{"team_id":"T1","api_app_id":"A1","event":${event},"type":"event_callback","event_id":"${id}","event_time":${now}}`;
  const headers = {
    "x-slack-request-timestamp": String(now),
    "x-slack-signature": `v0=${hmac("hex", `v0:${now}:`, body)}`,
  };
  const accepts = (other) =>
    takes(() => bolt.verifySlackRequest({ signingSecret: secret, body: other, headers }));
  return { id, key: `T1/${key}`, body, headers, takes: accepts };
}

/** Callbacks of a call are counted from 0. */
function twilioEvent(key, number) {
  const id = `${key}-${number}`;
  const fields = {
    CallSid: key,
    CallStatus: "in-progress",
    From: "+14158675309",
    Caller: "Zoë & ☃ = +1",
    SequenceNumber: String(number - 1),
  };
  const body = new URLSearchParams(fields).toString();
  const url = "https://hooks.example.com/in/twilio?tenant=a%20b";
  const headers = {
    "i-twilio-idempotency-token": id,
    "x-twilio-signature": twilio.getExpectedTwilioSignature(secret, url, fields),
  };
  const accepts = (other) => {
    const sent = Object.fromEntries(new URLSearchParams(other));
    return twilio.validateRequest(secret, headers["x-twilio-signature"], url, sent);
  };
  return { id, body, headers, contentType: FORM_TYPE, query: "?tenant=a%20b", takes: accepts };
}

/** GitLab signs as Standard Webhooks has it. */
function gitlabEvent(key, number) {
  const id = `${key}-${number}`;
  const body = `{"object_kind":"merge_request","project":{"id":7},"object_attributes":{"id":"${key}", "title":"${text}","iid":${number}}}`;
  const date = new Date();
  const headers = {
    "x-gitlab-event": "Merge Request Hook",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(date.getTime() / 1000)),
    "webhook-signature": standard.sign(id, date, body),
  };
  return { id, key: `7/merge_request/${key}`, body, headers, takes: (other) => takes(() => standard.verify(other, headers)) };
}

/** The newer family of headers; signed as the older one is. */
function shopifyEventsEvent(key, number) {
  const id = `${key}-${number}`;
  const body = `{"order":{"id":"${key}", "note":"${text}","number":${number}}}`;
  const signature = hmac("base64", body);
  const headers = {
    "shopify-topic": "Order",
    "shopify-action": "update",
    "shopify-shop-domain": "shop-one",
    "shopify-api-version": "2026-07",
    "shopify-webhook-id": id,
    "shopify-event-id": id,
    "shopify-resource-id": key,
    "shopify-triggered-at": new Date().toISOString(),
    "shopify-hmac-sha256": signature,
  };
  const accepts = async (other) => {
    const rawRequest = Object.assign(new IncomingMessage(null), { headers, method: "POST", url: "/" });
    return (await shopify.webhooks.validate({ rawBody: other, rawRequest })).valid;
  };
  return { id, key: `shop-one/${key}`, body, headers, takes: accepts };
}

function squareEvent(key, number) {
  const id = `${key}-${number}`;
  const url = "https://hooks.example.com/in/square";
  const object = `{"order_updated":{"order_id":"${key}","version":${number},"note":"${text}"}}`;
  const body = `{"merchant_id":"M1","type":"order.updated","event_id":"${id}","created_at":"${new Date().toISOString()}", "data":{"type":"order_updated","id":"${key}","object":${object}}}`;
  const headers = { "x-square-hmacsha256-signature": hmac("base64", url, body) };
  const accepts = (other) =>
    WebhooksHelper.verifySignature({
      requestBody: other,
      signatureHeader: headers["x-square-hmacsha256-signature"],
      signatureKey: secret,
      notificationUrl: url,
    });
  return { id, key: `M1/order_updated/${key}`, body, headers, takes: accepts };
}

/** Webhooks of a transfer are counted from 1 and have no id. */
function adyenEvent(key, number) {
  const body = `{"data":{"id":"${key}","sequenceNumber":${number}, "description":"${text}"},"environment":"test","type":"balancePlatform.transfer.updated"}`;
  const mac = createHmac("sha256", Buffer.from(adyenKey, "hex")).update(body).digest("base64");
  const accepts = (other) => adyenValidator.validateHMACSignature(adyenKey, mac, other);
  return { id: `${key}-${number}`, body, headers: { hmacsignature: mac }, takes: accepts };
}

function takes(verify) {
  try {
    verify();
    return true;
  } catch {
    return false;
  }
}

const PROVIDERS = { stripe: stripeEvent, svix: svixEvent, shopify: shopifyEvent, slack: slackEvent, twilio: twilioEvent, gitlab: gitlabEvent, "shopify-events": shopifyEventsEvent, square: squareEvent, "adyen-transfers": adyenEvent };

function signed() {
  return Object.entries(PROVIDERS).flatMap(([source, make]) =>
    Array.from({ length: KEYS * EVENTS_PER_KEY }, (_, index) => {
      const key = `${source}-${index % KEYS}`;
      const sequence = 1 + Math.floor(index / KEYS);
      const event = make(key, sequence);
      return { source, key, sequence, type: "", contentType: JSON_TYPE, query: "", ...event };
    }),
  );
}

/** One example of every type that GitHub's own library publishes. */
async function github() {
  const require = createRequire(import.meta.url);
  const types = require("@octokit/webhooks-examples/api.github.com/index.json");
  return Promise.all(types.flatMap(({ name, examples }) => examples.map(async (payload) => {
    const [id, body] = [randomUUID(), JSON.stringify(payload)];
    const headers = {
      "x-github-delivery": id,
      "x-github-event": name,
      "x-hub-signature-256": await signGithub(process.env.GITHUB_SECRET, body),
    };
    return { source: "github", id, type: name, key: "", sequence: 0, contentType: JSON_TYPE, query: "", body, headers };
  })));
}

/** A digit or letter of the body becomes another one: still JSON or a form. */
function altered(body) {
  const places = [...body.matchAll(/[a-z0-9]/g)].map((match) => match.index);
  const at = places[Math.floor(next() * places.length)];
  return body.slice(0, at) + (body[at] === "x" ? "y" : "x") + body.slice(at + 1);
}

function request({ id, source, query, contentType, headers, body }) {
  return { id, url: `${base}/in/${source}${query}`, headers: { "content-type": contentType, ...headers }, body };
}

const events = [...signed(), ...(await github())];
const alterations = events.map((event) => ({ ...event, body: altered(event.body) }));
for (const [index, event] of events.entries()) {
  if (!event.takes) continue;
  const both = [await event.takes(event.body), await event.takes(alterations[index].body)];
  if (!both[0] || both[1]) throw new Error(`the library of ${event.source} judges otherwise: ${both}`);
}
const requests = events.map(request);
const forged = alterations.map((event) => ({ ...request(event), altered: true }));
const posts = shuffled([...requests, ...requests, ...forged], next);
const plain = events.map(({ source, id, type, contentType, key, sequence, body }) => ({ source, id, type, contentType, key, sequence, body }));
writeReport(report, plain, await postAll(posts));
