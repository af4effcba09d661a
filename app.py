"""Every trigger of the deployment: one decorator and one delegating line each."""

from typing import Any

from chalice.app import Rate

from chalicelib import bootstrap
from chalicelib.entrypoints import files, http, jobs, schedules, streams, websocket
from chalicelib.entrypoints.chalice_http import (
    ANY_METHOD,
    BODIES,
    CALLS,
    EVERY_TYPE,
    respond,
)
from chalicelib.entrypoints.concurrency import ThreadSafeChalice

app = ThreadSafeChalice(app_name="geoflow", configure_logs=False)
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.binary_types = EVERY_TYPE
settings = bootstrap.settings()


@app.route("/api/query", methods=["GET", *CALLS], content_types=BODIES)
def api_query() -> Any:
    return respond(app.current_request, http.query)


@app.route("/api/mutation", methods=CALLS, content_types=BODIES)
def api_mutation() -> Any:
    return respond(app.current_request, http.mutation)


@app.route("/api/action", methods=CALLS, content_types=BODIES)
def api_action() -> Any:
    return respond(app.current_request, http.action)


@app.route("/api/function", methods=CALLS, content_types=BODIES)
def api_function() -> Any:
    return respond(app.current_request, http.function)


@app.route("/api/run/{proxy+}", methods=CALLS, content_types=BODIES)
def api_run() -> Any:
    return respond(app.current_request, http.run)


@app.route("/api/query_ts", methods=CALLS, content_types=BODIES)
def api_query_ts() -> Any:
    return respond(app.current_request, http.query_ts)


@app.route("/api/query_at_ts", methods=CALLS, content_types=BODIES)
def api_query_at_ts() -> Any:
    return respond(app.current_request, http.query_at_ts)


@app.route("/api/query_batch", methods=CALLS, content_types=BODIES)
def api_query_batch() -> Any:
    return respond(app.current_request, http.query_batch)


@app.route("/api/storage/upload", methods=CALLS, content_types=BODIES)
def api_storage_upload() -> Any:
    return respond(app.current_request, files.upload)


@app.route("/api/storage/presign", methods=CALLS, content_types=BODIES)
def api_storage_presign() -> Any:
    return respond(app.current_request, files.presign)


@app.route("/api/storage/finish", methods=CALLS, content_types=BODIES)
def api_storage_finish() -> Any:
    return respond(app.current_request, files.finish)


@app.route("/api/storage/link", methods=["GET", "HEAD", "OPTIONS"])
def api_storage_link() -> Any:
    return respond(app.current_request, files.link)


@app.route("/api/storage/{key}", methods=["GET", "HEAD", "OPTIONS"])
def api_storage_get(key: str) -> Any:  # noqa: ARG001 - it is in the path
    return respond(app.current_request, files.download)


@app.route("/version", methods=["GET", "OPTIONS"])
def version() -> Any:
    return respond(app.current_request, http.version)


@app.route("/instance_version", methods=["GET", "OPTIONS"])
def instance_version() -> Any:
    return respond(app.current_request, http.version)


@app.route("/instance_name", methods=["GET", "OPTIONS"])
def instance_name() -> Any:
    return respond(app.current_request, http.instance_name)


@app.route("/", methods=["GET", "OPTIONS"])
def home() -> Any:
    return respond(app.current_request, http.home)


@app.route("/echo", methods=CALLS, content_types=BODIES)
def echo() -> Any:
    return respond(app.current_request, http.echo)


@app.route("/health", methods=["GET", "OPTIONS"])
def health() -> Any:
    return respond(app.current_request, http.health)


@app.route("/ready", methods=["GET", "OPTIONS"])
def ready() -> Any:
    return respond(app.current_request, http.ready)


@app.route("/http/{proxy+}", methods=ANY_METHOD, content_types=BODIES)
def http_function() -> Any:
    return respond(app.current_request, http.http_function)


@app.route("/http", methods=ANY_METHOD, content_types=BODIES)
def http_root() -> Any:
    return respond(app.current_request, http.http_function)


@app.route("/{proxy+}", methods=ANY_METHOD, content_types=BODIES)
def http_elsewhere() -> Any:
    return respond(app.current_request, http.http_function)


@app.on_ws_message()
def websocket_message(event: Any) -> Any:
    return websocket.message(bootstrap.current(), event.to_dict())


@app.on_ws_disconnect()
def websocket_disconnect(event: Any) -> Any:
    return websocket.disconnect(bootstrap.current(), event.to_dict())


@app.on_dynamodb_record(stream_arn=settings.stream_arn, name="commit_log")
def commit_log(event: Any) -> Any:
    return streams.commit_log(bootstrap.current(), event.to_dict())


@app.on_sqs_message(queue_arn=settings.jobs_queue_arn, batch_size=1, name="jobs")
def run_jobs(event: Any) -> Any:
    return jobs.run(bootstrap.current(), event.to_dict())


@app.on_sqs_message(queue_arn=settings.wakes_queue_arn, batch_size=1, name="wakes")
def run_wakes(event: Any) -> Any:
    return jobs.run(bootstrap.current(), event.to_dict())


@app.schedule(Rate(1, unit=Rate.MINUTES), name="heartbeat")
def heartbeat(_event: Any) -> Any:
    return schedules.heartbeat(bootstrap.current())


@app.lambda_function(name="deploy")
def deploy(event: Any, _context: Any) -> Any:
    return schedules.deploy(bootstrap.current(), event)
