"""A stand-in for the W&B service on the loopback: enough of it for the real client to log a run.

It knows the GraphQL operations, the stream of rows and the uploads of files and artifacts (tables are such), records
what arrives, and can be told to fail. It says nothing about how the real service behaves beyond the protocol.
"""

import gzip
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class SeenRun:
    """What arrived for one run."""

    id: str
    meta: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    complete: bool = False
    preempting: bool = False

    def history(self, key: str) -> list[Any]:
        """Return the values of one metric, in order of arrival."""
        return [row[key] for row in self.rows if key in row]


class WandbService(ThreadingHTTPServer):
    """The service: ``with WandbService() as service: …`` with its address in ``service.url``."""

    daemon_threads = True

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.runs: dict[str, SeenRun] = {}
        self.artifacts: dict[str, str] = {}
        """State of each artifact."""
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self.lock = threading.RLock()
        self.fault: Callable[[str], int | None] = lambda what: None
        """Called with the name of each request; a status makes it fail, 0 leaves it without an answer."""
        self.released = threading.Event()

    def __enter__(self) -> "WandbService":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up."""

    def run(self, name: str) -> SeenRun:
        """Return the run of that id, new or not."""
        return self.runs.setdefault(name, SeenRun(name))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbService

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, answer: Any, status: int = 200) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _serve(self) -> None:
        body, path, service = self._body(), unquote(urlsplit(self.path).path), self.server
        query = json.loads(body) if path == "/graphql" else {}
        found = re.search(r"\b(?:query|mutation)\s+(\w+)", query.get("query", ""))
        what = found[1] if found else path.rsplit("/", 1)[-1]
        with service.lock:
            service.requests.append(what)
            status = service.fault(what)
        if status == 0:
            service.released.wait()
            self.close_connection = True
            return
        if status is not None:
            self._send({"errors": [{"message": "made to fail"}]}, status)
            return
        with service.lock:
            answer = self._answer(what, path, query.get("variables") or {}, body)
        self._send(answer if answer is not None else {"errors": [{"message": f"unknown: {what}"}]})

    do_GET = do_POST = do_PUT = _serve

    def _answer(self, what: str, path: str, variables: dict[str, Any], body: bytes) -> Any:
        if path == "/graphql":
            operation = _OPERATIONS.get(what)
            if operation is not None:
                return {"data": operation(self.server, variables)}
        elif match := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", path):
            return _stream(self.server.run(match[1]), json.loads(body))
        elif match := re.fullmatch(r"/upload/([^/]+)/(.+)", path):
            self.server.run(match[1]).files[match[2]] = body
            return {}
        self.server.unknown.append(f"{self.command} {path} {what} {variables}")
        return None


def _stream(run: SeenRun, message: dict[str, Any]) -> dict[str, Any]:
    for name, part in (message.get("files") or {}).items():
        lines = [json.loads(line) for line in part["content"]] if name != "output.log" else []
        if name == "wandb-history.jsonl":
            run.rows[part["offset"] :] = lines
        elif name == "wandb-events.jsonl":
            run.events[part["offset"] :] = lines
        elif name == "wandb-summary.json":
            run.summary.update(lines[-1])
    run.preempting |= bool(message.get("preempting"))
    if message.get("complete"):
        run.complete, run.exit_code = True, message.get("exitcode")
    return {"limits": {}}


def _viewer(service: WandbService, variables: dict[str, Any]) -> Any:
    viewer = {"id": "V", "entity": "me", "username": "me", "email": "me@example.invalid", "name": "me"}
    return {"viewer": {**viewer, "flags": "{}", "admin": False, "teams": {"edges": []}, "apiKeys": {"edges": []}}}


def _project(name: str | None) -> dict[str, Any]:
    return {"id": "P", "name": name, "entity": {"id": "E", "name": "me"}}


def _bucket(run: SeenRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.id,
        "displayName": run.meta.get("displayName"),
        "config": json.dumps(run.config),
        "historyLineCount": len(run.rows),
    }


def _upsert(service: WandbService, variables: dict[str, Any]) -> Any:
    name = variables.get("name") or variables["id"]
    new, run = name not in service.runs, service.run(name)
    if variables.get("config"):
        run.config = json.loads(variables["config"])
    if variables.get("summaryMetrics"):
        run.summary = json.loads(variables["summaryMetrics"])
    run.meta.update({key: value for key, value in variables.items() if value is not None})
    bucket = _bucket(run) | {"description": "", "sweepName": None, "project": _project(variables.get("project"))}
    return {"upsertBucket": {"bucket": bucket, "inserted": new}}


def _resume(service: WandbService, variables: dict[str, Any]) -> Any:
    run = service.runs.get(variables["name"])
    bucket = None
    if run is not None and run.rows:
        bucket = _bucket(run) | {
            "summaryMetrics": json.dumps(run.summary),
            "logLineCount": 0,
            "eventsLineCount": len(run.events),
            "historyTail": json.dumps([json.dumps(run.rows[-1])]),
            "eventsTail": json.dumps([json.dumps(event) for event in run.events[-1:]]),
            "tags": run.meta.get("tags"),
            "notes": None,
            "wandbConfig": json.dumps({"t": 1}),
        }
    return {"model": _project(variables.get("project")) | {"bucket": bucket}}


def _create_files(service: WandbService, variables: dict[str, Any]) -> Any:
    run = variables["run"]
    files = [{"name": name, "uploadUrl": f"{service.url}/upload/{run}/{name}"} for name in variables["files"]]
    return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}


def _create_artifact(service: WandbService, variables: dict[str, Any]) -> Any:
    name = variables["input"]["artifactCollectionName"]
    service.artifacts[name] = "PENDING"
    artifact = {"id": name, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
    return {"createArtifact": {"artifact": artifact}}


def _create_manifest(service: WandbService, variables: dict[str, Any]) -> Any:
    name = variables["artifactID"]
    url = f"{service.url}/upload/{name}/manifest" if variables.get("includeUpload") else None
    file = {"id": "F", "uploadUrl": url, "uploadHeaders": []}
    return {"createArtifactManifest": {"artifactManifest": {"id": name, "file": file}}}


def _create_artifact_files(service: WandbService, variables: dict[str, Any]) -> Any:
    edges = []
    for file in variables.get("artifactFiles") or variables["input"]["artifactFiles"]:
        name, path = file["artifactID"], f"upload/{file['artifactID']}/{file['name']}"
        node = {"storagePath": path, "uploadUrl": f"{service.url}/{path}", "uploadHeaders": []}
        edges.append({"node": node | {"uploadMultipartUrls": None, "artifact": {"id": name}}})
    return {"createArtifactFiles": {"files": {"edges": edges}}}


def _commit_artifact(service: WandbService, variables: dict[str, Any]) -> Any:
    service.artifacts[variables["artifactID"]] = "COMMITTED"
    return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": None}}}


_OPERATIONS: dict[str, Callable[[WandbService, dict[str, Any]], Any]] = {
    "Viewer": _viewer,
    "ServerFeaturesQuery": lambda service, variables: {"serverInfo": {"features": []}},
    "OrganizationCoreWeaveOrganizationID": lambda service, variables: {
        "entity": {"organization": {"coreWeaveOrganizationId": None}}
    },
    "UpsertBucket": _upsert,
    "RunResumeStatus": _resume,
    "RunStoppedStatus": lambda service, variables: {"project": {"run": {"stopped": False}}},
    "CreateRunFiles": _create_files,
    "ArtifactType": lambda service, variables: {"project": {"artifact": None}},
    "CreateArtifact": _create_artifact,
    "CreateArtifactManifest": _create_manifest,
    "CreateArtifactFiles": _create_artifact_files,
    "CommitArtifact": _commit_artifact,
}
