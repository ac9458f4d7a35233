"""Values that mean something, among those that are made up: only with them a request gets beyond its syntax."""

import os
import zlib

import schemathesis

GRANTS = ["client_credentials", "refresh_token"]
SCOPES = ["orders:read", "orders:read orders:write", "orders:nothing"]
AUDIENCES = ["https://orders.example", "urn:chancery:admin", ["https://orders.example"]]
TOKENS = [os.environ["TOKEN"], os.environ["REFRESH_TOKEN"]]
MEANING = {
    "grant_type": GRANTS,
    "scope": SCOPES,
    "audience": AUDIENCES,
    "token": TOKENS,
    "refresh_token": TOKENS,
}
# Beside the Basic header they would be a second way to authenticate.
OTHER_WAYS = ["client_id", "client_secret", "client_assertion", "client_assertion_type"]


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    chance = zlib.crc32(repr(sorted(body.items(), key=repr)).encode())
    if chance % 4 == 0:
        return body
    body = {name: value for name, value in body.items() if name not in OTHER_WAYS}
    for name, values in MEANING.items():
        if name in body:
            body[name] = values[chance % len(values)]
    return body
