"""Chromium without a window, led through its DevTools protocol: opens pages, clicks, and keeps what they asked for."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.sync.client import connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--window-size=1500,1400",
    "--remote-debugging-port=0",
)
# When a page has not changed for one number of milliseconds, or when another is over.
SETTLED = """new Promise(done => {
  const end = setTimeout(done, %d), quiet = () => setTimeout(() => { clearTimeout(end); done() }, %d);
  let waiting = quiet();
  new MutationObserver(() => { clearTimeout(waiting); waiting = quiet() })
    .observe(document, {subtree: true, childList: true, characterData: true});
})"""


def program():
    """The path of a Chromium of this machine, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One page. What it did: ``requests`` (method, address, body), ``dialogs``, and ``complaints`` of its policy."""

    def __init__(self, socket):
        self._socket, self._sent = socket, 0
        self.requests, self.dialogs, self.complaints = [], [], []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Call a method of the protocol; what happens until it answers is kept."""
        number = self._send(method, parameters)
        while True:
            message = json.loads(self._socket.recv(timeout=120))
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                return message["result"]
            if "method" in message:
                self._keep(message["method"], message["params"])

    def run(self, script):
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def settle(self, quiet=400, longest=10_000):
        """Wait until the page has not changed for a while (milliseconds)."""
        self.run(SETTLED % (longest, quiet))

    def wait(self, script, seconds=120):
        """Wait until a JavaScript expression is true, and the page has settled; returns its value."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"waited {seconds} s for {script}\n{self.run('document.body.innerText')}"
            time.sleep(0.3)
        self.settle()
        return found

    def open(self, address, text):
        """Open a page, and wait until it shows a text."""
        self.call("Page.navigate", url=address)
        self.wait(f"document.body?.innerText.includes({json.dumps(text)})")

    def picture(self, path):
        """Store what the page looks like, as PNG."""
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _send(self, method, parameters):
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        return self._sent

    def _keep(self, event, what):
        match event:
            case "Network.requestWillBeSent":
                request = what["request"]
                self.requests.append((request["method"], request["url"], request.get("postData", "")))
            case "Page.javascriptDialogOpening":
                self.dialogs.append(what["message"])
                self._send("Page.handleJavaScriptDialog", {"accept": False})
            case "Log.entryAdded" if what["entry"]["source"] == "security":
                self.complaints.append(what["entry"]["text"])


@contextmanager
def browser(folder):
    """A browser with a profile of its own in a folder."""
    log = (folder / "chromium.log").open("w")
    process = subprocess.Popen(
        [program(), *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"], stdout=log, stderr=log
    )
    try:
        port, end = folder / "profile" / "DevToolsActivePort", time.monotonic() + 60
        while not (port.exists() and port.read_text().count("\n")):
            assert process.poll() is None, (folder / "chromium.log").read_text()
            assert time.monotonic() < end, "Chromium did not start"
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list") as answer:
            (page,) = [each for each in json.load(answer) if each["type"] == "page"]
        with connect(page["webSocketDebuggerUrl"], max_size=None, open_timeout=60) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        log.close()
