"""Errors of secrets, and of requests to other servers."""

from chalicelib.engine.errors.families import EngineError


class SecretRefused(EngineError):
    """A sealed secret does not open: it was changed, is another's, or its key is gone."""

    code = "SecretRefused"

    def __init__(self) -> None:
        super().__init__(
            "the secret does not open: it was changed, or sealed for another place"
        )


class SecretsUnavailable(EngineError):
    """Whoever holds the keys could not be reached, or does not serve this deployment."""

    code = "SecretsUnavailable"
    public = "Secrets cannot be sealed or opened at the moment: try again."


class SecretsNotConfigured(EngineError):
    """The deployment has no key for secrets."""

    code = "SecretsNotConfigured"
    public = "This deployment keeps no secrets."


class AddressRefused(EngineError):
    """A request was to go where this deployment sends none; ``why`` says what is wrong."""

    code = "AddressRefused"

    def __init__(self, why: str) -> None:
        super().__init__(f"the address is refused: {why}")
        self.why = why


class RequestFailed(EngineError):
    """A request to another server was not answered; the message says why."""

    code = "RequestFailed"


class OutsideNotConfigured(EngineError):
    """The deployment sends no requests to other servers."""

    code = "OutsideNotConfigured"
