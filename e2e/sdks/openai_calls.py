"""One call with openai-python, and what its user reads of the outcome."""

import json
import sys

import openai

base, key, model = sys.argv[1:4]
client = openai.OpenAI(base_url=base, api_key=key, max_retries=2)
arguments = {} if model == "no-model" else {"model": model}
try:
    answer = client.post("/chat/completions", body={**arguments, "messages": []}, cast_to=object)
    print(json.dumps({"ok": answer}))
except openai.APIStatusError as error:
    print(json.dumps({
        "status": error.status_code,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "request_id": error.request_id,
        "class": type(error).__name__,
    }))
