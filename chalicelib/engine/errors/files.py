"""Errors of stored files, and of their uploads and downloads."""

from chalicelib.engine.errors.families import EngineError


class BlobMissing(EngineError):
    """The bytes of a file are not where they should be."""

    code = "BlobMissing"


class FilesNotConfigured(EngineError):
    """The deployment has no place for files, or does not know its own address."""

    code = "FilesNotConfigured"


class UploadRefused(EngineError):
    """Something is wrong with an upload; nothing of it was kept."""

    code = "UploadRefused"


class InvalidUploadToken(UploadRefused):
    """The token of an upload was not made by this deployment."""

    code = "InvalidUploadToken"

    def __init__(self) -> None:
        super().__init__(
            "This upload URL is not one of this deployment: ask for one with"
            " generateUploadUrl() and use it as it is."
        )


class UploadTokenExpired(UploadRefused):
    """The token of an upload is too old."""

    code = "UploadTokenExpired"

    def __init__(self) -> None:
        super().__init__(
            "This upload URL has expired, an hour after it was made: ask for another one"
            " with generateUploadUrl()."
        )


class Sha256Mismatch(UploadRefused):
    """What has come has another digest than was announced."""

    code = "Sha256Mismatch"

    def __init__(self, *, announced: str, received: str) -> None:
        super().__init__(
            f"The file has SHA-256 {received}, not {announced} as announced: upload it again."
        )


class ContentLengthMismatch(UploadRefused):
    """What has come is longer or shorter than was announced."""

    code = "ContentLengthMismatch"

    def __init__(self, *, announced: int, received: int) -> None:
        super().__init__(
            f"{received} bytes have come, not {announced} as announced: upload the file again."
        )


class InvalidContentType(UploadRefused):
    """The type of a file is nothing that a header could say."""

    code = "InvalidContentType"

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"{content_type!r} is no content type: printable ASCII, as text/plain"
        )


class UploadBroken(UploadRefused):
    """The client went away before its file had come."""

    code = "ClientDisconnect"


class UploadIncomplete(UploadRefused):
    """Nothing has come by an upload link."""

    code = "UploadIncomplete"

    def __init__(self) -> None:
        super().__init__("The file has not been uploaded yet: PUT it to its URL first.")


class UploadAbandoned(UploadRefused):
    """An upload took so long that its bytes were given up."""

    code = "UploadAbandoned"

    def __init__(self) -> None:
        super().__init__("The upload took more than a day and was given up: begin again.")


class NoUploadLinks(UploadRefused):
    """The deployment keeps its files where it can make no links to."""

    code = "NoUploadLinks"

    def __init__(self) -> None:
        super().__init__(
            "This deployment has no links for uploads: POST the file to the upload URL, which"
            " takes any size here."
        )


class DownloadLinkRefused(EngineError):
    """A link for a download was not made by this deployment, or is too old."""

    code = "DownloadLinkRefused"

    def __init__(self) -> None:
        super().__init__("This link is not good, or no longer: ask for another one.")
