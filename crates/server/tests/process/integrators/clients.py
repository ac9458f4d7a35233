"""Every way to authenticate with Authlib, and the token verified by RFC 9068 with its validator."""

import os
import time

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import ECKey, KeySet

issuer = os.environ["ISSUER"]
audience = "https://orders.example"
metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()


def soon():
    """It would live for an hour, which is longer than an assertion may."""
    return {"exp": int(time.time()) + 60}


def session(way):
    if way == "client_secret_jwt":
        made = OAuth2Session(
            os.environ["JWT_CLIENT_ID"], os.environ["JWT_CLIENT_SECRET"], token_endpoint_auth_method=way
        )
        made.register_client_auth_method(ClientSecretJWT(issuer, claims=soon()))
    elif way == "private_key_jwt":
        with open(os.environ["KEY_FILE"]) as file:
            key = ECKey.import_key(file.read())
        made = OAuth2Session(os.environ["KEY_CLIENT_ID"], key, token_endpoint_auth_method=way)
        headers = {"kid": os.environ["KEY_ID"]}
        made.register_client_auth_method(PrivateKeyJWT(issuer, claims=soon(), headers=headers, alg="ES256"))
    else:
        made = OAuth2Session(
            os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], token_endpoint_auth_method=way
        )
    return made


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        return KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())


validator = Validator(issuer, audience)
for way in metadata["token_endpoint_auth_methods_supported"]:
    token = session(way).fetch_token(
        metadata["token_endpoint"], grant_type="client_credentials", scope="orders:read", audience=audience
    )
    claims = validator.authenticate_token(token["access_token"])
    validator.validate_token(claims, ["orders:read"], None)
    assert claims["client_id"] == claims["sub"], claims
    try:
        validator.validate_token(claims, ["orders:write"], None)
    except OAuth2Error as error:
        assert error.error == "insufficient_scope", error
    else:
        raise AssertionError("a scope that was not asked for")
    refused = session(way)
    try:
        refused.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", scope="orders:nothing")
    except OAuthError as error:
        assert error.error == "invalid_scope", error
    else:
        raise AssertionError("a scope that is not granted")
print("done")
