"""A Docker engine, whichever the environment names, and the stack of docker-compose.yml on it."""

from __future__ import annotations

import os
import subprocess
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
IMAGE = "servefn:local"
REQUESTS = "servefn_requests_total"


def docker(*arguments: str) -> str:
    """What the command prints. HTTP_PORT=0 publishes the balancer on a free port."""
    command = [os.environ.get("DOCKER", "docker"), *arguments]
    environment = {**os.environ, "HTTP_PORT": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


class Stack:
    """The composed service under a project name of its own, so that it disturbs no other."""

    def compose(self, *arguments: str) -> str:
        return docker("compose", "--project-name", "servefn-e2e", *arguments)

    def scale(self, replicas: int) -> None:
        """Start what does not run until there are so many replicas, and wait until all are healthy."""
        self.compose("up", "--detach", "--no-build", "--no-recreate", "--wait", "--scale", f"api={replicas}")

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def replicas(self) -> set[str]:
        """The containers of the service that run."""
        return set(self.compose("ps", "--quiet", "api").split())

    def complaints(self) -> str:
        """What the balancer has logged but for requests that the first replica answered with 200."""
        lines = self.compose("logs", "--no-color", "--no-log-prefix", "nginx").splitlines()
        return "\n".join(line for line in lines if '"upstream_status":"200"' not in line)

    @cached_property
    def address(self) -> tuple[str, int]:
        """Where the balancer listens, seen from here."""
        host = urlsplit(os.environ.get("DOCKER_HOST", "")).hostname or "127.0.0.1"
        return host, int(self.compose("port", "nginx", "8080").rsplit(":", 1)[1])


def python(container: str, program: str) -> str:
    """What a program prints inside a container of the service."""
    return docker("exec", container, "python", "-c", program)


def answered(container: str) -> int:
    """The predictions that a replica has made since it started."""
    text = python(
        container, "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
    )
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith(REQUESTS))


def healthy(container: str) -> bool:
    """Whether its health check says so."""
    return inspect(container, "{{.State.Health.Status}}") == "healthy"


def inspect(thing: str, template: str) -> str:
    return docker("inspect", "--format", template, thing)
