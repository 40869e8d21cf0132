"""Real-shaped events of Stripe and Svix, signed by their libraries of PyPI, each also altered.

    PROVIDER_SECRET=whsec_… python send_providers.py http://HOST:PORT REPORT SEED
"""

import os
import random
import sys
import time
from datetime import datetime, timezone

import stripe
import svix.webhooks

from lib.post import post_all, write_report

KEYS = ["pypi-one", "pypi-two"]
EVENTS_PER_KEY = 10
SECRET = os.environ["PROVIDER_SECRET"]
SVIX = svix.webhooks.Webhook(SECRET)


def stripe_event(key, number):
    event_id = f"evt_{key}_{number}"
    body = (
        f'{{"id":"{event_id}","object":"event", "created":{int(time.time())},"type":"customer.updated",'
        f'"data":{{"object":{{"id":"{key}","name":"Zoë \\u00e9 ☃","x":1.0}}}}}}'
    )
    headers = {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body, SECRET)}
    return event("stripe", event_id, key, number, body, headers)


def svix_event(key, number):
    event_id = f"msg_{key}_{number}"
    body = f'{{"type":"user.updated",\r\n"data":{{"id":"{key}","name":"Zoë \\u00e9 ☃","x":1.0}}}}'
    now = datetime.now(tz=timezone.utc)
    headers = {
        "svix-id": event_id,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": SVIX.sign(event_id, now, body),
    }
    return event("svix", event_id, key, number, body, headers)


def event(source, event_id, key, number, body, headers):
    return {
        "source": source,
        "id": event_id,
        "type": "",
        "contentType": "application/json",
        "key": key,
        "sequence": number,
        "body": body,
        "headers": {"content-type": "application/json", **headers},
    }


def request(one, altered=False):
    body = one["body"].replace('"x":1.0', '"x":1.1') if altered else one["body"]
    path = f"/in/{one['source']}"
    return {"id": one["id"], "altered": altered, "path": path, "headers": one["headers"], "body": body}


def main():
    base, report, seed = sys.argv[1:]
    numbers = range(1, EVENTS_PER_KEY + 1)
    events = [
        make(key, number) for make in (stripe_event, svix_event) for key in KEYS for number in numbers
    ]
    posts = [request(one) for one in events] * 2 + [request(one, altered=True) for one in events]
    random.Random(int(seed)).shuffle(posts)
    write_report(report, events, post_all(base, posts))


main()
