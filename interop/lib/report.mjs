// What a sender did, as JSON lines: one per event, one per answer.
import { writeFileSync } from "node:fs";

/** `events` are `{source, id, type, contentType, key, sequence, body}`, `body` a string. */
export function writeReport(file, events, answers) {
  const lines = events.map((event) => ({
    kind: "event",
    ...event,
    body: Buffer.from(event.body).toString("base64"),
  }));
  for (const { request, status, answer } of answers) {
    lines.push({ kind: "answer", id: request.id, altered: request.altered ?? false, status, answer });
  }
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
