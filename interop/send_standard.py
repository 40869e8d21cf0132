"""Events signed by the `standardwebhooks` library of PyPI, each also with something altered.

    BILLING_SECRET=whsec_… python send_standard.py http://HOST:PORT REPORT SEED
"""

import os
import random
import sys
from datetime import datetime, timezone

from standardwebhooks import Webhook

from lib.post import post_all, write_report

KEYS = ["pypi-one", "pypi-two", "pypi-three"]
EVENTS_PER_KEY = 20

WEBHOOK = Webhook(os.environ["BILLING_SECRET"])


def event(key, sequence):
    # Blanks and characters that a second serialisation would change.
    body = f'{{ "sequence": "{sequence}",\r\n\t"customer": "{key}", "name": "Zoë \\u00e9 ☃", "x": 1.0 }}'
    return {
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
    path = f"/in/{event['source']}"
    return {
        "id": event["id"],
        "altered": False,
        "path": path,
        "headers": headers,
        "body": event["body"],
    }


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


def main():
    base, report, seed = sys.argv[1:]
    events = [event(key, 1 + index) for key in KEYS for index in range(EVENTS_PER_KEY)]
    requests = [request(one) for one in events]
    posts = requests * 2 + [altered for one in requests for altered in alterations(one)]
    random.Random(int(seed)).shuffle(posts)
    write_report(report, events, post_all(base, posts))


main()
