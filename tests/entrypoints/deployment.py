"""A deployment of the trial app as the entry points see it: events of AWS in, answers out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

import app
from chalicelib import bootstrap
from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.adapters.memory.keys import memory_secrets
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.memory.rates import MemoryRates
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.bootstrap import Machine, Stores
from chalicelib.config import Settings
from chalicelib.engine.auth import CustomJwtProvider
from chalicelib.engine.blobs import BlobStore
from chalicelib.engine.persistence import Persistence
from chalicelib.entrypoints import http
from tests.backend import DelayedJobs, VirtualClock
from tests.trial import ADMIN_KEY, LimitedSockets

CLOUD_URL: Final = "https://api.example/stage"
ISSUER: Final = "https://jwt.example"
KEY: Final = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY: Final = ec.generate_private_key(ec.SECP256R1())


def _provider() -> CustomJwtProvider:
    shown = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
    keys = json.dumps({"keys": [{**shown, "kid": "1", "alg": "ES256", "use": "sig"}]})
    text = base64.b64encode(keys.encode()).decode(errors="replace")
    return CustomJwtProvider(
        issuer=ISSUER, jwks=f"data:application/json;base64,{text}", algorithm="ES256"
    )


def token(
    subject: str = "ann", *, lasts_s: float = 600, key: Any = KEY, issuer: str = ISSUER
) -> str:
    """A token of the only provider, unless told otherwise."""
    now = time.time()
    claims = {"iss": issuer, "sub": subject, "iat": now - 60, "exp": now + lasts_s}
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "1"})


class Place:
    """The deployment in use, and what it sent."""

    def __init__(
        self,
        *,
        redacted: bool = False,
        apps: tuple[str, ...] = ("tests.apps.trial",),
        blobs: BlobStore | None = None,
        persistence: Persistence | None = None,
        log_retention_days: int = 14,
        machine: Machine | None = None,
        outside: Literal["public", "loopback"] = "public",
        log_level: Literal["DEBUG", "INFO"] = "INFO",
        edge_secret: str = "",
    ) -> None:
        self.sockets = LimitedSockets(128 * 1024)
        self.clock = VirtualClock()
        self.jobs = DelayedJobs(self.clock)
        settings = Settings(
            apps=apps,
            stage="test",
            admin_key=ADMIN_KEY,
            auth_providers=(_provider(),),
            redacted=redacted,
            settle_ms=0,
            code_version="c0de",
            cloud_url=CLOUD_URL,
            log_retention_days=log_retention_days,
            outside=outside,
            log_level=log_level,
            proxies=1 if edge_secret else 0,
            edge_secret=edge_secret,
        )
        self.sessions = MemorySessions()
        self.persistence = persistence or MemoryPersistence()
        stores = Stores(
            self.persistence,
            self.sessions,
            MemorySubscriptions(),
            blobs or MemoryBlobs(),
            memory_secrets(),
            rates=MemoryRates(),
        )
        self.deployment = bootstrap.assemble(
            settings,
            stores=stores,
            gateway=self.sockets,
            jobs=self.jobs,
            machine=machine,
        )
        self.deployment.backend.deploy("c0de")
        bootstrap.use(self.deployment)

    def handle(self, request: http.Request, handler: http.Handler) -> Answer:
        """Have a handler answer a request, without Chalice."""
        response = http.answer(handler, lambda: self.deployment, request)
        return Answer(response.status, response.headers, response.body.decode())


class Answer:
    """An HTTP answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


def call(
    method: str,
    path: str,
    body: str | bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Answer:
    """Send an event of a REST API (v1) through the Chalice app."""
    answered = app.app(rest_event(method, path, body, headers or {}, query), None)
    found: dict[str, str] = dict(answered["headers"])
    for name, values in answered.get("multiValueHeaders", {}).items():
        found[name] = ",".join(values)
    text = answered["body"]
    if answered.get("isBase64Encoded"):
        text = base64.b64decode(text).decode(errors="replace")
    return Answer(answered["statusCode"], found, text)


def rest_event(
    method: str,
    path: str,
    body: str | bytes | None,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The event of API Gateway's REST API for a request, as it sends it to Lambda."""
    resource, parameters = _resource(path)
    sent = {"Content-Type": "application/json", "Host": "api.example", **headers}
    binary = isinstance(body, bytes)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": (
            {name: [value] for name, value in query.items()} if query else None
        ),
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": f"/api{path}",
            "stage": "api",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.1"},
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": binary,
    }


def _resource(path: str) -> tuple[str, dict[str, str] | None]:
    if path in app.app.routes:
        return path, None
    for resource in app.app.routes:
        prefix = resource.removesuffix("{proxy+}")
        if prefix != resource and path.startswith(prefix):
            return resource, {"proxy": path.removeprefix(prefix)}
    raise AssertionError(f"API Gateway has no resource for {path}")
