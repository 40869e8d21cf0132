"""Events signed by the `standardwebhooks` library of PyPI, each also with something altered.

    BILLING_SECRET=whsec_… python send_standard.py http://HOST:PORT REPORT SEED
"""

import base64
import http.client
import json
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from urllib.parse import urlsplit

from standardwebhooks import Webhook

KEYS = ["pypi-one", "pypi-two", "pypi-three"]
EVENTS_PER_KEY = 20
CONNECTIONS = 4
# Half a minute without an answer is a failure of the gateway, not a reason to wait on.
PATIENCE_S = 30

WEBHOOK = Webhook(os.environ["BILLING_SECRET"])


def event(key, sequence):
    # Blanks and characters that a second serialisation would change.
    body = f'{{ "sequence": "{sequence}",\r\n\t"customer": "{key}", "name": "Zoë \\u00e9 ☃", "x": 1.0 }}'
    return {
        "kind": "event",
        "source": "billing",
        "id": f"{key}_{sequence}",
        "type": "",
        "contentType": "application/json",
        "key": key,
        "sequence": sequence,
        "body": body,
    }


def request(event):
    now = datetime.now(tz=timezone.utc)
    headers = {
        "content-type": event["contentType"],
        "webhook-id": event["id"],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": WEBHOOK.sign(event["id"], now, event["body"]),
    }
    return {"id": event["id"], "altered": False, "headers": headers, "body": event["body"]}


def alterations(request):
    """The same request with another body, another id, another time."""
    headers = request["headers"]
    later = str(int(headers["webhook-timestamp"]) + 1)
    altered = {**request, "altered": True}
    return [
        {**altered, "body": request["body"].replace('"x": 1.0', '"x": 1.1')},
        {**altered, "headers": {**headers, "webhook-id": request["id"] + "x"}},
        {**altered, "headers": {**headers, "webhook-timestamp": later}},
    ]


def post_all(address, requests):
    """Posts a share of the requests over one connection."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_S)
    answers = []
    for one in requests:
        connection.request("POST", "/in/billing", one["body"].encode(), one["headers"])
        response = connection.getresponse()
        answer = json.loads(response.read())
        answers.append(
            {
                "kind": "answer",
                "id": one["id"],
                "altered": one["altered"],
                "status": response.status,
                "answer": answer,
            }
        )
    connection.close()
    return answers


def main():
    base, report, seed = sys.argv[1:]
    events = [event(key, 1 + index) for key in KEYS for index in range(EVENTS_PER_KEY)]
    requests = [request(one) for one in events]
    posts = requests * 2 + [altered for one in requests for altered in alterations(one)]
    random.Random(int(seed)).shuffle(posts)
    address = urlsplit(base).netloc
    shares = [posts[index::CONNECTIONS] for index in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [one for share in pool.map(lambda s: post_all(address, s), shares) for one in share]
    for one in events:
        one["body"] = base64.b64encode(one["body"].encode()).decode()
    with open(report, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in events + answers)


main()
