"""Laws of the edge's template: what goes where, and what may be kept there."""

from collections.abc import Iterator
from typing import Any, Final

from infra.checks import Template

CACHING_DISABLED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
"""CloudFront's managed policy. Source: "Use managed cache policies"."""

ALL_VIEWER_EXCEPT_HOST: Final = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
"""Passes all but Host, by which API Gateway would look for a custom domain (and answer 403)."""

SYNC_PATH: Final = "/api/*/sync"
"""Where the stock clients connect: ``/api/<version>/sync``."""

_METHODS: Final = {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"}


def check_edge(edge: Template) -> Iterator[str]:
    """Each path goes to its origin, unchanged and uncached but where it must be."""
    distribution = edge["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    origins = {origin["Id"]: origin for origin in distribution["Origins"]}
    default = distribution["DefaultCacheBehavior"]
    others = {each["PathPattern"]: each for each in distribution["CacheBehaviors"]}
    if default["TargetOriginId"] != "rest" or set(default["AllowedMethods"]) != _METHODS:
        yield "the REST API does not get every other request"
    yield from _check_passing("everything else", default)
    sync = others.get(SYNC_PATH)
    if sync is None or next(iter(others)) != SYNC_PATH:
        yield f"{SYNC_PATH} does not come first"
        return
    yield from _check_passing(SYNC_PATH, sync)
    if sync["TargetOriginId"] != "sync" or not sync.get("FunctionAssociations"):
        yield f"{SYNC_PATH} reaches the WebSocket API with a path, which it refuses"
    for name in ("rest", "sync"):
        yield from _check_origin(name, origins[name])


def _check_passing(name: str, behaviour: Template) -> Iterator[str]:
    if behaviour["CachePolicyId"] != CACHING_DISABLED:
        yield f"{name}: an answer could be another caller's"
    if behaviour["OriginRequestPolicyId"] != ALL_VIEWER_EXCEPT_HOST:
        yield f"{name}: headers are lost, or Host is not"
    if behaviour["ViewerProtocolPolicy"] != "https-only":
        yield f"{name}: a token could travel in the clear"


def _check_origin(name: str, origin: dict[str, Any]) -> Iterator[str]:
    if origin.get("OriginPath") != "/api":
        yield f"{name}: clients would have to name the stage"
    if origin["CustomOriginConfig"]["OriginProtocolPolicy"] != "https-only":
        yield f"{name}: is reached in the clear"
    shown = {each["HeaderName"] for each in origin.get("OriginCustomHeaders", ())}
    if "x-geoflow-edge" not in shown:
        yield f"{name}: the app cannot tell the edge from somebody who poses as it"
