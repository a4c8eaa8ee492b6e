"""The API's description: python -m relayer.api.describe > docs/openapi.json."""

import json
import sys

from fastapi import FastAPI

from relayer.api.app import routed_app


def openapi_text(app: FastAPI) -> str:
    """Return the description of an app as docs/openapi.json holds it."""
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text(routed_app()))
