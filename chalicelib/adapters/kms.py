"""Keys that AWS KMS makes and unwraps; the master key never leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import override

from chalicelib.adapters import aws
from chalicelib.adapters.envelope import DataKey, EnvelopeBox, Keys
from chalicelib.engine.errors import SecretRefused, SecretsUnavailable

CONNECT_S: Final = 2.0
READ_S: Final = 5.0
"""How long a connection, and an answer, may take, in seconds."""

ATTEMPTS: Final = 4
"""How often a call is made until it is answered."""

_REFUSALS: Final = frozenset(
    {
        "InvalidCiphertextException",
        "IncorrectKeyException",
        "NotFoundException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
    }
)
"""Answers to an unwrapping that will be the same tomorrow: wrong context, or a key that is gone.

Source: AWS KMS API reference, Decrypt.
"""

_NOT_ALLOWED: Final = "is not authorized to perform"
"""What an AccessDeniedException says when a policy is missing.

Without it, KMS says that the key was wrapped by one that it does not know.
"""


class KmsKeys(Keys):
    """Data keys of one KMS key; those of others that it may use are unwrapped, too."""

    def __init__(
        self, key: str, *, region: str | None = None, endpoint: str | None = None
    ) -> None:
        """``key`` is its id, ARN or alias."""
        self._key, self._region, self._endpoint = key, region, endpoint

    @override
    def make(self, context: Mapping[str, str]) -> DataKey:
        with _typed_errors(refusals=frozenset()):
            made = self._client.generate_data_key(
                KeyId=self._key, KeySpec="AES_256", EncryptionContext=dict(context)
            )
        return DataKey(made["Plaintext"], made["CiphertextBlob"], made["KeyId"])

    @override
    def unwrap(self, wrapped: bytes, by: str, context: Mapping[str, str]) -> bytes:
        with _typed_errors(refusals=_REFUSALS):
            found = self._client.decrypt(
                CiphertextBlob=wrapped, EncryptionContext=dict(context)
            )
        if found["KeyId"] != by:
            raise SecretRefused
        plain: bytes = found["Plaintext"]
        return plain

    @cached_property
    def _client(self) -> Any:
        # Made when it is needed: most processes of a deployment never touch a secret.
        return aws.client(
            "kms",
            region_name=self._region,
            endpoint_url=self._endpoint,
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            ),
        )


def kms_secrets(
    key: str, *, region: str | None = None, endpoint: str | None = None
) -> EnvelopeBox:
    """A box that seals with data keys of a KMS key."""
    return EnvelopeBox(KmsKeys(key, region=region, endpoint=endpoint))


@contextmanager
def _typed_errors(*, refusals: frozenset[str]) -> Iterator[None]:
    """Raise what the SDK raises as errors of ours, none of which holds a secret."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        code, message = told.get("Code"), str(told.get("Message", ""))
        foreign = code == "AccessDeniedException" and _NOT_ALLOWED not in message
        if refusals and (code in refusals or foreign):
            raise SecretRefused from None
        raise SecretsUnavailable(f"KMS: {error}") from error
    except BotoCoreError as error:
        raise SecretsUnavailable(f"KMS: {error}") from error
