"""One call with stripe-python, and what its user reads of the outcome."""

import json
import sys

import stripe

base, key, what = sys.argv[1:4]
client = stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=2)
try:
    if what == "list":
        answer = client.v1.customers.list({"limit": 1000})
    else:
        answer = client.v1.customers.create({"name": what})
    print(json.dumps({"ok": answer.to_dict()}))
except stripe.StripeError as error:
    body = error.error
    print(json.dumps({
        "status": error.http_status,
        "type": body.type if body else None,
        "code": error.code,
        "param": getattr(error, "param", None),
        "request_id": error.request_id,
        "class": type(error).__name__,
    }))
