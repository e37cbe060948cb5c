"""Start a command that serves a page, request the page once it is up, and stop the command as Ctrl-C does.

Usage: serve-briefly COMMAND ... [-- PATH ...]. Further PATHs are requested as well, such as /snapshot.
The command must print the address of its page within a minute. Its output is printed, and then a line for
each response.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import urljoin

START_SECONDS = 60


def request(address: str) -> str:
    """Request an address until it is served, and return a line about the response."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with opener.open(address, timeout=10) as response:
                body = response.read(1 << 20)
                return f"{response.status} {response.headers.get_content_type()}: {len(body)} bytes"
        except (urllib.error.URLError, ConnectionError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{address}: {error}") from error
            time.sleep(0.2)


def main(words: list[str]) -> int:
    """Run the command. Return its exit code, or 0 if it ended by the interrupt."""
    command, _, paths = " ".join(words).partition(" -- ")
    process = subprocess.Popen(
        command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdout is not None
    address, responses = None, []
    for line in process.stdout:
        print(line, end="", flush=True)
        match = re.search(r"http://127\.0\.0\.1:\d+\S*", line)
        if match and address is None:
            address = match[0]
            try:
                responses = [request(urljoin(address, path)) for path in ["", *paths.split()]]
            finally:
                process.send_signal(signal.SIGINT)
    if process.wait(START_SECONDS) and address is None:
        raise SystemExit(f"{command}: ended without an address, exit code {process.returncode}")
    print("\n".join(responses))
    return 0 if process.returncode in (130, -signal.SIGINT) else process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
