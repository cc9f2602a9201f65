"""The second opinion: validates instances against schemas of a document with openapi-schema-validator.

Standard input has one JSON object a line: `file` (the document) or `schema` (a pointer in it) and `instance`. For each
instance, standard output gets a line: `ok`, or the path and the keyword of each error.
"""

import json
import sys
import urllib.parse

from jsonschema.validators import validator_for
from openapi_schema_validator import OAS30Validator, OAS31Validator, oas30_format_checker, oas31_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4, DRAFT202012

validators = {}
state = {}


def open_document(file):
    with open(file, encoding="utf-8") as text:
        document = json.load(text)
    is_30 = document["openapi"].startswith("3.0")
    specification = DRAFT4 if is_30 else DRAFT202012
    # Siblings of `$ref`, and dialects, are decided by the root that refers: the document is only looked up in.
    registry = Registry().with_resource("urn:document", Resource(contents=document, specification=specification))
    state.update(registry=registry, is_30=is_30)
    validators.clear()


def validator(pointer):
    if pointer not in validators:
        schema = {"$ref": "urn:document#" + urllib.parse.quote(pointer)}
        kind, formats = (OAS30Validator, oas30_format_checker) if state["is_30"] else (OAS31Validator, oas31_format_checker)
        validators[pointer] = kind(schema, registry=state["registry"], format_checker=formats)
    return validators[pointer]


for line in sys.stdin:
    asked = json.loads(line)
    if "file" in asked:
        open_document(asked["file"])
        continue
    try:
        errors = list(validator(asked["schema"]).iter_errors(asked["instance"]))
    except Exception as error:
        print(f"cannot: {type(error).__name__}: {str(error)[:80]!r}", flush=True)
        continue
    shown = sorted({"/" + "/".join(map(str, error.absolute_path)) + " " + str(error.validator) for error in errors})
    print(", ".join(shown) or "ok", flush=True)
