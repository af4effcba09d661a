"""GeoFlow's HTTP endpoints; their answers and errors are those of ``answers.py``."""

from __future__ import annotations

from chalicelib.engine.server import ActionCtx, Http, Id, Request, Response
from chalicelib.geoflow import executions
from chalicelib.geoflow.answers import failure, success
from chalicelib.geoflow.schema import Execution

http = Http(on_error=failure)


@http.post("/api/executions/{execution_id}/cancel")
def cancel(ctx: ActionCtx, _request: Request, execution_id: Id[Execution]) -> Response:
    """Stop a run; 409 if it has finished already."""
    ctx.run_mutation(executions.cancel, execution_id)
    return success(ctx, None)
