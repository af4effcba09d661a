"""What happens, told for people: one line each, in the words of the protocol."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.engine.log import ORIGIN, Entry, Write
from chalicelib.engine.sync.messages import ts_value
from tests.simulation.oracle import MARKS_TABLE


def sent(connection: str, body: bytes) -> str:
    """A message that a client sends."""
    message = json.loads(body)
    return f"{connection} → {message['type']} {_asked(message)}".rstrip()


def _asked(message: Mapping[str, Any]) -> str:
    match message["type"]:
        case "Connect":
            return f"{message['sessionId']}, its socket {message['connectionCount']}"
        case "Authenticate":
            return f"as {message.get('value', 'nobody')}, {message['baseVersion']} before"
        case "ModifyQuerySet":
            changes = ", ".join(map(_modification, message["modifications"]))
            return f"{message['baseVersion']} to {message['newVersion']}: {changes}"
        case _:
            return f"{message['requestId']}: {_call(message)}"


def _modification(change: Mapping[str, Any]) -> str:
    if change["type"] == "Remove":
        return f"without query {change['queryId']}"
    again = " from its journal" if change.get("journal") else ""
    return f"query {change['queryId']} = {_call(change)}{again}"


def _call(message: Mapping[str, Any]) -> str:
    args = message["args"][0]
    return f"{message['udfPath']}({', '.join(f'{k}={v}' for k, v in args.items())})"


def received(connection: str, data: bytes) -> str:
    """A message that the server sends."""
    message = json.loads(data)
    return f"{connection} ← {message['type']} {_told(message)}".rstrip()


def _told(message: Mapping[str, Any]) -> str:
    match message["type"]:
        case "Transition":
            changes = ", ".join(map(_shown, message["modifications"])) or "nothing new"
            start, end = message["startVersion"], message["endVersion"]
            return f"{_version(start)} to {_version(end)}: {changes}"
        case "TransitionChunk":
            return f"piece {message['partNumber'] + 1} of {message['totalParts']}"
        case "MutationResponse" | "ActionResponse":
            at = f" at {ts_value(message['ts']) - ORIGIN}" if message.get("ts") else ""
            told = message.get("errorData", message["result"])
            kind = "" if message["success"] else " failed:"
            return f"{message['requestId']}{at}:{kind} {told}"
        case _:
            return ""


def _shown(change: Mapping[str, Any]) -> str:
    query = f"query {change['queryId']}"
    match change["type"]:
        case "QueryUpdated":
            return f"{query} = {change['value']}"
        case "QueryFailed":
            return f"{query} failed: {change.get('errorData', change['errorMessage'])}"
        case _:
            return f"without {query}"


def _version(version: Mapping[str, Any]) -> str:
    ts = max(0, ts_value(version["ts"]) - ORIGIN)
    return f"({version['querySet']}, {version['identity']}, {ts})"


def committed(entry: Entry) -> str:
    """An entry that is in the log now."""
    request = entry.request
    asked = f", request {request.number} of {request.session}" if request else ""
    writes = ", ".join(map(_write, entry.writes)) or "nothing"
    return f"log {entry.ts - ORIGIN}: {entry.path}{asked}: {writes}"


def _write(write: Write) -> str:
    if write.table != MARKS_TABLE:
        return f"a system document {write.id.hex()[-8:]}"
    before, after = json.loads(write.before or b"{}"), json.loads(write.after or b"{}")
    if "tag" not in before | after:
        return f"a document {write.id.hex()[-8:]} of another app"
    if not after:
        return f"- {before['tag']}"
    if before:
        return f"{after['tag']} moves from key {before['key']} to {after['key']}"
    return f"+ {after['tag']} under key {after['key']}, by {after['author'] or 'nobody'}"
