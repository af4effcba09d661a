"""Seals and opens, as actions do."""

from __future__ import annotations

from chalicelib.engine.server import ActionCtx, action


@action
def there_and_back(ctx: ActionCtx, text: str) -> str:
    """Seal a text and open it again."""
    context = {"owner": "ann"}
    sealed = ctx.secrets.seal(text.encode(), context)
    return ctx.secrets.open(sealed.data, context).decode()
