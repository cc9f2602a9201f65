"""The oracle's API on Flask, with Flask's own routing."""

from flask import Flask, jsonify

ROUTES = [
    ("listItems", "/items"),
    ("exportItems", "/items/export"),
    ("getItem", "/items/<first>"),
    ("getSecret", "/items/<first>/secret"),
    ("listNotes", "/items/<first>/notes"),
    ("latestNote", "/items/<first>/notes/latest"),
    ("getNote", "/items/<first>/notes/<second>"),
    ("purge", "/admin/purge"),
    ("showAdmin", "/admin/<first>"),
    ("getFileJson", "/files/<first>.json"),
    ("getFile", "/files/<first>"),
    ("compareRefs", "/compare/<first>...<second>"),
    ("ping", "/v<first>/ping"),
    ("anyPair", "/<first>/<second>"),
    ("anyPage", "/<first>"),
]


def application() -> Flask:
    app = Flask(__name__)
    for operation, rule in ROUTES:
        def run(operation=operation, **values):
            return jsonify(ran=operation, values=[values[name] for name in sorted(values)])

        app.add_url_rule(rule, operation, run)
    return app
