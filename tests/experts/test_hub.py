import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.hub import HubExpert, choose

REPO, COMMIT = "sb3/ppo-BipedalWalker-v3", "0123456789abcdef0123456789abcdef01234567"
ONES = np.ones(4, np.float32)
SPEC = EnvSpec("BipedalWalker-v3", (24,), (24,), False, 4, -ONES, ONES, 1600)


class Hub(BaseHTTPRequestHandler):
    """Answers what the hub's client asks about one repository."""

    files: ClassVar[dict[str, bytes]]
    fetched: ClassVar[list[str]]

    def log_message(self, *_):
        pass

    def answer(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        json_type = {"Content_Type": "application/json"}
        if not path.startswith((f"/api/models/{REPO}", f"/{REPO}/")):
            return self.answer(b"{}", 404, X_Error_Code="RepoNotFound", **json_type)
        if "/revision/" in path and not path.endswith(("main", COMMIT)):
            return self.answer(b"{}", 404, X_Error_Code="RevisionNotFound", **json_type)
        if path.startswith("/api/models/"):
            names = [{"rfilename": name} for name in self.files]
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in self.files.items()
            ]
            found = tree if "/tree/" in path else {"id": REPO, "sha": COMMIT, "siblings": names}
            return self.answer(json.dumps(found).encode(), **json_type)
        name = path.split(f"/resolve/{COMMIT}/", 1)[-1]
        if name not in self.files:
            return self.answer(b"", 404, X_Error_Code="EntryNotFound")
        if self.command == "GET":
            self.fetched.append(name)
        digest = hashlib.sha1(self.files[name]).hexdigest()
        self.answer(self.files[name], ETag=f'"{digest}"', X_Repo_Commit=COMMIT)


@pytest.fixture
def hub(tmp_path, monkeypatch, shared):
    constants = pytest.importorskip("huggingface_hub.constants")
    folder = shared / "data/zoo/ppo/BipedalWalker-v3"
    names = {"BipedalWalker-v3.zip": "ppo-BipedalWalker-v3.zip", "vecnormalize.pkl": "vec_normalize.pkl"}
    Hub.files = {names.get(p.name, p.name): p.read_bytes() for p in folder.iterdir()}
    Hub.files |= {
        "train_eval_metrics.zip": b"curves",
        "replay.mp4": b"film",
        "ppo-BipedalWalker-v3/policy.pth": b"unpacked",
        "results.json": b'{"mean_reward": 213.7, "std_reward": 97.0}',
    }
    Hub.fetched = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", here)  # what HF_ENDPOINT sets when the client is imported
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", here + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


def expert(repo: str = REPO, file=None, revision=None) -> HubExpert:
    return HubExpert(repo, file, revision, None, False, "auto", None, spec=SPEC)


def test_an_agent_comes_with_its_statistics_score_and_commit(hub):
    one = expert()
    assert one.act(np.zeros((3, 24), np.float32)).shape == (3, 4)
    assert one.provenance.extra["normalized"] and one.algorithm == "ppo"
    assert one.provenance.extra["revision"] == COMMIT and one.provenance.extra["repo"] == REPO
    assert (one.provenance.return_mean, one.provenance.env_id) == (213.7, "BipedalWalker-v3")
    wanted = {"ppo-BipedalWalker-v3.zip", "vec_normalize.pkl", "args.yml", "config.yml", "results.json"}
    assert set(Hub.fetched) == wanted


def test_the_second_time_it_comes_from_the_cache_even_offline(hub):
    expert()
    Hub.fetched.clear()
    assert expert().provenance.extra["revision"] == COMMIT and not Hub.fetched
    hub.shutdown()
    hub.server_close()
    assert expert().provenance.extra["revision"] == COMMIT


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"repo": "sb3/nothing"}, "sb3/nothing does not exist, or is private"),
        ({"revision": "v9"}, "has no revision v9"),
        ({"file": "ppo-BipedalWalker.zip"}, r"did you mean 'ppo-BipedalWalker-v3\.zip'|is not in"),
        ({"repo": "a/b/c"}, "cannot be fetched"),
    ],
)
def test_what_is_not_there_is_one_clear_line(hub, options, says):
    with pytest.raises(ConfigError, match=says) as error:
        expert(**options)
    assert "\n" not in str(error.value)


def test_missing_statistics_are_an_error_here_too(hub):
    del Hub.files["vec_normalize.pkl"]
    with pytest.raises(ConfigError, match="normalised observations"):
        expert()


def test_an_unreachable_hub_says_so(hub):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(ConfigError, match="cannot be reached"):
        expert()


def test_the_zip_is_chosen_by_name_or_by_being_alone(tmp_path):
    for name in ("train_eval_metrics.zip", "a.zip"):
        (tmp_path / name).touch()
    assert choose(tmp_path, "me/agent", None).name == "a.zip"
    (tmp_path / "b.zip").touch()
    with pytest.raises(ConfigError, match=r"has a\.zip, b\.zip; set expert\.file"):
        choose(tmp_path, "me/agent", None)
    assert choose(tmp_path, "me/b", None).name == "b.zip" and choose(tmp_path, "me/x", "a.zip").name == "a.zip"
