"""The health check of the image: exits with 0 if the service in this container is ready.

It looks at the environment as the service does. Whose certificate it is does not matter here: nobody else listens on
127.0.0.1. Where clients need a certificate (SERVEFN_TLS_CA) it shows the service's own, which that authority must have
signed, or the container needs another health check.
"""

from __future__ import annotations

import os
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection

PORTS = ("SERVEFN_PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT")


def connection() -> HTTPConnection:
    usual = 8080 if os.path.isdir("/opt/ml/model") else 8000  # SageMaker's
    port = int(next(filter(None, map(os.environ.get, PORTS)), usual))
    certificate = os.environ.get("SERVEFN_TLS_CERT")
    if not certificate:
        return HTTPConnection("127.0.0.1", port, timeout=2)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if os.environ.get("SERVEFN_TLS_CA"):
        context.load_cert_chain(certificate, os.environ.get("SERVEFN_TLS_KEY"))
    return HTTPSConnection("127.0.0.1", port, timeout=2, context=context)


def ready() -> bool:
    try:
        probe = connection()
        probe.request("GET", "/health/ready")
        return probe.getresponse().status == 200
    except (OSError, HTTPException):
        return False


if __name__ == "__main__":
    raise SystemExit(not ready())
