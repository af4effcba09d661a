"""What the CLI asks of a deployment, and who may ask."""

from __future__ import annotations

import json

import pytest

from chalicelib.engine.auth import AdminIdentity, Caller
from chalicelib.engine.errors import FunctionNotFound
from chalicelib.engine.functions.addresses import Addresses
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.spec import function_spec
from tests.trial import ADMIN_KEY, Trial, user

PACKAGES = ("tests.apps.atlas", "chalicelib.system")
SYSTEM = [path for path in Registry(PACKAGES).functions if path.startswith("_system/")]
NO_ADMIN = [None, user("ann")]


@pytest.fixture
def trial() -> Trial:
    return Trial(
        packages=PACKAGES, addresses=Addresses("https://a.example", "https://b.example")
    )


class TestSystemFunctions:
    def test_are_there_by_the_paths_that_the_cli_knows(self) -> None:
        assert {"_system/cli/modules:apiSpec", "_system/cli/convexUrl:cloudUrl"} <= {
            *SYSTEM
        }

    @pytest.mark.parametrize("caller", NO_ADMIN, ids=["nobody", "a user"])
    @pytest.mark.parametrize("path", SYSTEM)
    def test_answer_nobody_but_admins(
        self, trial: Trial, path: str, caller: Caller
    ) -> None:
        kind = trial.engine.registry.functions[path].function.kind

        outcome = trial.engine.call(Call(path, b"{}", caller), kind)

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, FunctionNotFound)

    def test_answer_nobody_else_on_a_socket(self, trial: Trial) -> None:
        socket = trial.socket().begin().watch(0, "_system/cli/modules:apiSpec")

        assert "Could not find public function" in socket.seen()[0]


class TestApiSpec:
    def test_is_the_function_spec_of_the_apps(self, trial: Trial) -> None:
        found = trial.query("_system/cli/modules:apiSpec", AdminIdentity(None))

        assert found == function_spec(Registry(("tests.apps.atlas",)))

    def test_comes_over_a_socket_whose_key_is_the_admins(self, trial: Trial) -> None:
        socket = trial.socket().connect().authenticate("Admin", ADMIN_KEY)

        socket.watch(0, "_system/cli/modules:apiSpec")

        assert json.dumps(socket.seen()[0]) == json.dumps(
            function_spec(trial.engine.registry)
        )


class TestUrls:
    def test_are_those_of_the_deployment(self, trial: Trial) -> None:
        admin = AdminIdentity(None)

        assert trial.query("_system/cli/convexUrl:cloudUrl", admin) == "https://a.example"
        assert trial.query("_system/cli/convexUrl:siteUrl", admin) == "https://b.example"
