"""Verifies recorded deliveries: the signature with the `standardwebhooks` library of PyPI, the
chain and `sprag-signature` from the words of their rules (C1 and C3) and nothing else.

    APP_SECRET=whsec_… python verify.py RECORD

Prints one JSON object; ends with 1 and the reason at the first delivery that is wrong.
"""

import base64
import hashlib
import hmac
import json
import os
import platform
import struct
import sys
from importlib.metadata import version
from urllib.parse import unquote_to_bytes

from standardwebhooks import Webhook, WebhookVerificationError

PACKAGES = ["standardwebhooks", "stripe", "svix"]
SECRET = os.environ["APP_SECRET"]
WEBHOOK = Webhook(SECRET)
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


def accepts(body, headers):
    try:
        WEBHOOK.verify(body, headers, json_parse=False)
        return True
    except WebhookVerificationError:
        return False


def altered(body, number):
    """The body with one byte altered; another byte for every delivery."""
    at = (number * 7919) % len(body)
    # A byte of ASCII, so that the bytes stay UTF-8 and the signature alone can tell.
    while body[at] >= 0x80:
        at = (at + 1) % len(body)
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def sprag_signature(headers):
    """Rule C3."""
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}\n"
    own = sorted(name for name in headers if name.startswith("sprag-"))
    text += "".join(f"{name}:{headers[name]}\n" for name in own if name != "sprag-signature")
    return "v1," + base64.b64encode(hmac.digest(KEY, text.encode(), "sha256")).decode()


def chain_hash(headers, body, previous):
    """Rule C1."""
    text = lambda name: headers.get(name, "").encode()
    parts = [
        b"sprag-event-1",
        text("sprag-source"),
        text("sprag-key"),
        struct.pack(">Q", int(headers["sprag-sequence"])),
        text("sprag-position"),
        text("sprag-kind"),
        text("content-type"),
        unquote_to_bytes(headers.get("sprag-source-id", "")),
        previous,
        hashlib.sha256(body).digest(),
    ]
    joined = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return hashlib.sha256(joined).digest()


def problem(number, headers, body, previous):
    if not accepts(body, headers):
        return "its signature is refused"
    if accepts(altered(body, number), headers):
        return "a byte of its body can be altered"
    if accepts(body, {**headers, "webhook-id": headers["webhook-id"] + "0"}):
        return "its id can be altered"
    if sprag_signature(headers) not in headers["sprag-signature"].split(" "):
        return "its sprag-signature is not that of rule C3"
    if bytes.fromhex(headers["sprag-previous-hash"]) != previous:
        return "it does not continue the chain"
    if chain_hash(headers, body, previous).hex() != headers["sprag-hash"]:
        return "its hash is not that of rule C1"
    return None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        deliveries = [json.loads(line) for line in file]
    heads = {}
    for number, delivery in enumerate(deliveries):
        headers, body = delivery["headers"], base64.b64decode(delivery["body"])
        key = (headers["sprag-source"], headers["sprag-key"])
        what = problem(number, headers, body, heads.get(key, bytes(32)))
        if what is not None:
            sys.exit(f"delivery {headers['webhook-id']}: {what}")
        heads[key] = bytes.fromhex(headers["sprag-hash"])
    packages = ", ".join(f"PyPI {name} {version(name)}" for name in PACKAGES)
    versions = f"Python {platform.python_version()}, {packages}"
    print(json.dumps({"verified": len(deliveries), "keys": len(heads), "versions": versions}))


main()
