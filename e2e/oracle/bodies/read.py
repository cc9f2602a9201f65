"""Reads requests as Werkzeug does: one JSON object a line in, one out. Every character stands for a byte."""

import io
import json
import sys

from werkzeug.wrappers import Request


def shown(text):
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def read(request):
    body = request["body"].encode("latin-1")
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": request["type"],
        "CONTENT_LENGTH": str(len(body)),
        "QUERY_STRING": request["query"],
        "wsgi.input": io.BytesIO(body),
    }
    read = Request(environ)
    return {
        "query": [[shown(name), shown(value)] for name, value in read.args.items(multi=True)],
        "form": [[shown(name), shown(value)] for name, value in read.form.items(multi=True)],
        "files": [
            [shown(name), shown(file.filename or ""), file.read().decode("latin-1")]
            for name, file in read.files.items(multi=True)
        ],
    }


for line in sys.stdin:
    try:
        print(json.dumps(read(json.loads(line))), flush=True)
    except Exception as error:  # It rejects the request, in whatever way.
        print(json.dumps({"error": repr(error)}), flush=True)
