"""Where a deployment is, as its functions may ask."""

import msgspec


class Addresses(msgspec.Struct, frozen=True):
    """Where clients reach functions, and HTTP functions; empty if that is not known.

    They are what Convex has in ``CONVEX_CLOUD_URL`` and ``CONVEX_SITE_URL``.
    """

    cloud: str = ""
    site: str = ""
