"""A file by its id, to whoever asks."""

from chalicelib.engine.server import ActionCtx, Http, Id, Request, Response, StoredFile

http = Http()


@http.get("/given/{file}", streamed=True)
def given(ctx: ActionCtx, request: Request, file: Id[StoredFile]) -> Response:
    """Answer with a file under a name that needs quoting."""
    return ctx.storage.respond(request, file, name='Zürich "7".txt') or Response(status=404)
