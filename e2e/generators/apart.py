# Validates examples of two errors of one status with the generated models. Prints which model takes which.
#
#   python apart.py FOLDER DOCUMENT.json
import json
import sys

sys.path.insert(0, sys.argv[1])
import models
from pydantic import ValidationError

document = json.load(open(sys.argv[2]))
response = document["paths"]["/groups"]["post"]["responses"]["429"]["content"]["application/json"]
for name in ["rate_exceeded", "quota_exceeded"]:
    example = response["examples"][name]["value"]
    for model in [models.RateExceededError, models.QuotaExceededError]:
        try:
            model.model_validate(example)
            print(name, model.__name__)
        except ValidationError:
            pass
