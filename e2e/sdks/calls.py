"""Calls with an SDK of Python, and what its user reads of each outcome: the table of the SDKs.

Argument: the SDK. Standard input has a base URL, a key and a path on each line; for each, standard output gets one JSON
object. One process makes all calls: importing some SDKs takes seconds.
"""

import json
import sys


def say(value):
    print(json.dumps(value), flush=True)


def outcome(error, **fields):
    say({"class": type(error).__name__, **fields})


def short(text):
    return None if text is None else str(text)[:60]


def call_openai(base, key, path):
    import openai

    client = openai.OpenAI(base_url=base, api_key=key, max_retries=2)
    try:
        say({"ok": client.get(path, cast_to=object)})
    except openai.APIStatusError as error:
        outcome(error, status=error.status_code, code=error.code, type=error.type, param=error.param,
                request_id=bool(error.request_id), message=short(error.body.get("message") if isinstance(error.body, dict) else error.body))
    except openai.APIError as error:
        outcome(error, message=short(error.message))


def call_anthropic(base, key, path):
    import anthropic

    client = anthropic.Anthropic(base_url=base, auth_token=key, max_retries=2)
    try:
        say({"ok": client.get(path, cast_to=object)})
    except anthropic.APIStatusError as error:
        body = error.body if isinstance(error.body, dict) else {}
        inner = body.get("error") if isinstance(body.get("error"), dict) else {}
        outcome(error, status=error.status_code, type=inner.get("type"), request_id=bool(error.request_id),
                message=short(inner.get("message")))
    except anthropic.APIError as error:
        outcome(error, message=short(error.message))


def call_stripe(base, key, path):
    import stripe
    from urllib.parse import urlsplit

    parts = urlsplit(base)
    client = stripe.StripeClient(key, base_addresses={"api": f"{parts.scheme}://{parts.netloc}"}, max_network_retries=2)
    try:
        answer = client.raw_request("get", parts.path + path)
        say({"ok": json.loads(answer.data)})
    except stripe.StripeError as error:
        inner = getattr(error, "error", None)
        outcome(error, status=error.http_status, code=error.code, type=inner.type if inner else None,
                param=getattr(error, "param", None), request_id=bool(error.request_id), message=short(error.user_message))


def call_azure(base, key, path):
    from azure.core import PipelineClient
    from azure.core.exceptions import AzureError, HttpResponseError, map_error
    from azure.core.pipeline.policies import HeadersPolicy, RetryPolicy
    from azure.core.rest import HttpRequest

    policies = [HeadersPolicy({"Authorization": f"Bearer {key}"}), RetryPolicy(retry_total=2, retry_backoff_factor=0.05)]
    client = PipelineClient(base, policies=policies)
    try:
        answer = client.send_request(HttpRequest("GET", base + path))
        answer.raise_for_status()
        say({"ok": answer.json()})
    except HttpResponseError as error:
        inner = error.error
        headers = error.response.headers if error.response is not None else {}
        outcome(error, status=error.status_code, code=inner.code if inner else None,
                param=inner.target if inner else None, request_id=bool(headers.get("x-ms-request-id")),
                details=len(inner.details) if inner else 0, message=short(inner.message if inner else None))
    except AzureError as error:
        outcome(error)


def call_google(base, key, path):
    import requests
    from google.api_core import exceptions, retry

    def attempt():
        try:
            answer = requests.get(base + path, headers={"Authorization": f"Bearer {key}"}, timeout=20)
        except requests.ConnectionError as error:
            raise exceptions.ServiceUnavailable(str(type(error).__name__)) from error
        if answer.status_code >= 400:
            raise exceptions.from_http_response(answer)
        return answer.json()

    # The library's own judgement of what is transient. By itself it repeats that for two minutes; here three times.
    errors = []

    def give_up(error):
        errors.append(error)
        if len(errors) == 3:
            raise error

    policy = retry.Retry(predicate=retry.if_transient_error, initial=0.05, maximum=0.05, on_error=give_up)
    try:
        say({"ok": policy(attempt)()})
    except exceptions.GoogleAPICallError as error:
        # The message begins with the method and the URL.
        message = error.message.split(": ", 1)[-1]
        outcome(error, status=error.code, code=error.reason, message=short(message))


def call_huggingface(base, key, path):
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import hf_raise_for_status, http_backoff

    try:
        answer = http_backoff("GET", base + path, headers={"Authorization": f"Bearer {key}"}, max_retries=2,
                              base_wait_time=0.05, max_wait_time=0.1)
        hf_raise_for_status(answer)
        say({"ok": answer.json()})
    except HfHubHTTPError as error:
        outcome(error, status=error.response.status_code, request_id=bool(error.request_id), message=short(error.server_message))


call = globals()[f"call_{sys.argv[1]}"]
for line in sys.stdin:
    try:
        call(*line.split())
    except Exception as error:  # What the SDK lets through as it is: its user meets the transport's own errors.
        say({"class": type(error).__module__.split(".")[0] + "." + type(error).__name__, "raw": True})
