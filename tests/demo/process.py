"""A demonstration as people start it: a process, a port, a folder."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from itschool_api import embedded

ITSCHOOL = Path(sys.executable).with_name("itschool")
START_SECONDS = 90
# For one answer, on a machine that runs other tests as well.
PATIENCE_SECONDS = 30
# The caller's own settings, none of which may matter.
HOSTILE = {
    "DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/nothing",
    "ITSCHOOL_ENVIRONMENT": "production",
    "ITSCHOOL_SECRET_KEY": "weak",
    "PGPORT": "1",
}


@dataclass
class Demo:
    """A demonstration that can be stopped and started again."""

    folder: Path
    port: int
    ready: dict[str, Any] = field(default_factory=dict)
    stdout: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start it, and return the seconds until it was ready."""
        (self.folder / ".env").write_text("ITSCHOOL_SECRET_KEY=weak\n")
        began = time.monotonic()
        with (self.folder / "stderr").open("w") as stderr:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [ITSCHOOL, "demo", "--json", "--port", str(self.port), "--data-dir", "data"],
                cwd=self.folder,
                env=os.environ | HOSTILE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "stderr").read_text()
        self.ready = json.loads(line)
        return time.monotonic() - began

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        self.stdout, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode

    def count(self, query: str) -> list[str]:
        """Ask its database, past all walls."""
        return embedded.start(self.folder / "data" / "postgres").run(query).strip().split("|")

    def as_(self, who: str) -> httpx2.Client:
        """Return a client that is logged in."""
        login = self.ready[who]
        with httpx2.Client(base_url=self.ready["url"], timeout=PATIENCE_SECONDS) as anonymous:
            answer = anonymous.post("/v1/auth/token", data={"grant_type": "password", **login})
        assert answer.status_code == 200, answer.text
        return self.bearer(answer.json()["access_token"])

    def bearer(self, token: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.ready["url"], headers=headers, timeout=PATIENCE_SECONDS)
