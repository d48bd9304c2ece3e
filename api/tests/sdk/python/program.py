"""A program with the Sentry SDK: `program.py send DSN` reports one thing of each kind and prints their ids as JSON;
`program.py drive DSN` does what it is told line by line (`message TEXT`, `large`) and prints the id of each.
"""

import json
import secrets
import sys

import sentry_sdk

mode, dsn = sys.argv[1:3]
sentry_sdk.init(
    dsn=dsn,
    release="shop@2.7.1",
    environment="production",
    server_name="web-3",
    send_default_pii=True,
    traces_sample_rate=1.0,
)
sentry_sdk.set_user({"id": "u-42", "email": "ada@example.com"})
sentry_sdk.set_tag("region", "eu")
sentry_sdk.add_breadcrumb(category="cart", message="cart 17 opened", level="info")


def charge(order):
    raise ValueError(f"card of order {order} was declined")


def check_out(order):
    try:
        charge(order)
    except ValueError as error:
        raise RuntimeError("could not check out") from error


def caught(work):
    try:
        work(1009)
    except Exception:
        return sentry_sdk.capture_exception()


if mode == "send":
    with sentry_sdk.start_transaction(name="checkout"):
        ids = {
            "exception": caught(charge),
            "message": sentry_sdk.capture_message("stock is low", level="warning"),
            "chained": caught(check_out),
        }
    sentry_sdk.flush(timeout=20)
    print(json.dumps(ids))
else:
    for line in sys.stdin:
        word, _, text = line.strip().partition(" ")
        with sentry_sdk.new_scope() as scope:
            if word == "large":
                scope.set_extra("noise", secrets.token_hex(200_000))
            event_id = sentry_sdk.capture_message(text or word, level="error")
        sentry_sdk.flush(timeout=20)
        print(event_id, flush=True)
