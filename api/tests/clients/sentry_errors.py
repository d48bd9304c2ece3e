"""Reports errors as a program does that uses the Sentry SDK: sentry_errors.py DSN. Prints the ids of its events."""

import sys

import sentry_sdk

sentry_sdk.init(
    dsn=sys.argv[1],
    release="shop@2.7.1",
    environment="production",
    server_name="web-3",
    send_default_pii=True,
    auto_session_tracking=True,
    traces_sample_rate=1.0,
)
sentry_sdk.set_user({"id": "u-42", "email": "ada@example.com"})
sentry_sdk.set_tag("region", "eu")
sentry_sdk.add_breadcrumb(category="cart", message="cart 17 opened", level="info")


def charge(order):
    raise ValueError(f"card of order {order} was declined")


with sentry_sdk.start_transaction(name="checkout"):
    try:
        charge(1009)
    except ValueError as error:
        try:
            raise RuntimeError("could not check out") from error
        except RuntimeError:
            print(sentry_sdk.capture_exception())
print(sentry_sdk.capture_message("stock is low", level="warning"))
sentry_sdk.flush(timeout=20)
