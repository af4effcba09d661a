"""Resources and the paths that belong to them."""

import pytest

from local.routes import Match, RouteTable

ROUTES = RouteTable(
    [
        "/",
        "/api/query",
        "/api/run/{proxy+}",
        "/api/run/{module}/{name}",
        "/api/storage/{storageId}",
        "/http/{proxy+}",
        "/http",
    ]
)


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/", "/", {}),
        ("/api/query", "/api/query", {}),
        ("/api/query/", "/api/query", {}),
        ("/api/storage/abc", "/api/storage/{storageId}", {"storageId": "abc"}),
        ("/api/run/a/b", "/api/run/{module}/{name}", {"module": "a", "name": "b"}),
        ("/api/run/a/b/c", "/api/run/{proxy+}", {"proxy": "a/b/c"}),
        ("/api/run/a", "/api/run/{proxy+}", {"proxy": "a"}),
        ("/http/a/b/", "/http/{proxy+}", {"proxy": "a/b"}),
        ("/http/", "/http", {}),
        ("/http/%2Fa", "/http/{proxy+}", {"proxy": "%2Fa"}),
    ],
)
def test_a_path_belongs_to_the_most_literal_resource(
    path: str, resource: str, parameters: dict[str, str]
) -> None:
    assert ROUTES.match(path) == Match(resource, parameters)


@pytest.mark.parametrize(
    "path", ["/api", "/api/storage", "/api/storage/a/b", "/API/query", "/api/run"]
)
def test_other_paths_belong_to_none(path: str) -> None:
    assert ROUTES.match(path) is None
