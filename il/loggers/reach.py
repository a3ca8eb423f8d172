"""Whether a service on the network is there, asked with a time limit."""

import base64
import json
import socket
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from urllib.parse import urlsplit


def reachable(url: str, timeout: float) -> bool:
    """Return whether the host of `url` accepts a connection in `timeout` seconds; behind a proxy, always True."""
    parts = urlsplit(url)
    host, scheme = parts.hostname or "", parts.scheme
    if scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return True
    answered, over = threading.Event(), threading.Event()

    def connect() -> None:
        with suppress(OSError):
            socket.create_connection((host, parts.port or (443 if scheme == "https" else 80)), timeout).close()
            answered.set()
        over.set()

    # in a thread because looking up the name has no timeout of its own, and every address would get the full time
    threading.Thread(target=connect, daemon=True).start()
    over.wait(timeout)
    return answered.is_set()


def refused(url: str, key: str, timeout: float) -> bool:
    """Return whether the W&B service at `url` answers that it does not know the API key."""
    login = base64.b64encode(f"api:{key}".encode()).decode()
    request = urllib.request.Request(
        f"{url}/graphql",
        json.dumps({"query": "query Viewer { viewer { id } }"}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Basic {login}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)["data"]["viewer"] is None
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)
    except (OSError, ValueError, LookupError, TypeError):
        return False  # no answer, or none that says so
