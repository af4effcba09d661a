"""Who vouches for GeoFlow's users.

Nobody by default: which providers a deployment trusts is a setting of that deployment, and
nothing below the composition root reads settings. It adds the configured ones to these.
"""

from __future__ import annotations

from typing import Final

from chalicelib.engine.server import CustomJwtProvider, OidcProvider

providers: Final[tuple[OidcProvider | CustomJwtProvider, ...]] = ()
