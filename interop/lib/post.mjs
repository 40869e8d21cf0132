// Posts over several kept connections and notes every answer.
import http from "node:http";

const CONNECTIONS = 8;
// Half a minute without an answer is a failure of the gateway, not a reason to wait on.
const PATIENCE_MS = 30_000;

/** Posts `{url, headers, body}` in order of the list; gives `{request, status, answer}`. */
export async function postAll(requests) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const waiting = requests.values();
  const answers = [];
  const worker = async () => {
    for (const request of waiting) {
      answers.push({ request, ...(await post(agent, request)) });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  agent.destroy();
  return answers;
}

function post(agent, { url, headers, body }) {
  return new Promise((resolve, reject) => {
    const options = { agent, method: "POST", headers, timeout: PATIENCE_MS };
    const request = http.request(url, options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: response.statusCode, answer: JSON.parse(text) });
      });
    });
    request.on("timeout", () => request.destroy(new Error(`no answer in ${PATIENCE_MS} ms`)));
    request.on("error", reject);
    request.end(body);
  });
}
