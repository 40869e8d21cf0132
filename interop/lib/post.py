"""Posts over several kept connections and reports what was sent and answered as JSON lines."""

import base64
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

CONNECTIONS = 4
# Half a minute without an answer is a failure of the gateway, not a reason to wait on.
PATIENCE_S = 30
REPORTED = ("source", "id", "type", "contentType", "key", "sequence")


def post_all(base, requests):
    """Posts `{id, altered, path, headers, body}`; gives one answer for each."""
    address = urlsplit(base).netloc
    shares = [requests[index::CONNECTIONS] for index in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [one for share in pool.map(lambda s: _post_share(address, s), shares) for one in share]


def write_report(report, events, answers):
    lines = [
        {
            "kind": "event",
            **{name: one[name] for name in REPORTED},
            "body": base64.b64encode(one["body"].encode()).decode(),
        }
        for one in events
    ]
    with open(report, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines + answers)


def _post_share(address, requests):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    answers = []
    for one in requests:
        connection.request("POST", one["path"], one["body"].encode(), one["headers"])
        response = connection.getresponse()
        answers.append(
            {
                "kind": "answer",
                "id": one["id"],
                "altered": one["altered"],
                "status": response.status,
                "answer": json.loads(response.read()),
            }
        )
    connection.close()
    return answers
