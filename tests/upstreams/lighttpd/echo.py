"""A CGI program that answers with what it was told."""

import json
import os
import sys
from urllib.parse import parse_qs

with open(os.environ["LOG"], "a") as log:
    log.write(f"{os.environ['REQUEST_METHOD']} {os.environ['REQUEST_URI']}\n")
body = sys.stdin.buffer.read(int(os.environ.get("CONTENT_LENGTH") or 0))
named = {name[5:]: value for name, value in os.environ.items() if name.startswith("HTTP_")}
told = {
    "fields": {name.replace("_", "-").lower(): value for name, value in named.items()},
    "query": parse_qs(os.environ.get("QUERY_STRING", ""), keep_blank_values=True),
    "body": json.loads(body) if body else None,
}
print("Content-Type: application/json\r\n\r")
print(json.dumps(told))
