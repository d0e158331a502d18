"""What operators, probes and browsers ask for: health, metrics, docs."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from app.metrics import Metrics
from app.protocols.problem import described
from app.service import Service

STATIC = Path(__file__).parents[1] / "static"
POLICY = (
    "default-src 'none'; script-src 'self' {script}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes styles into its elements."""

PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def router(service: Service, metrics: Metrics) -> APIRouter:
    routes = APIRouter()

    @routes.get("/health/live", tags=["health"], summary="The process answers")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get(
        "/health/ready",
        tags=["health"],
        summary="The models have replayed their rows, and the replica is neither stopping nor overloaded",
        responses={503: described("Not yet, not now, or no longer.")},
    )
    async def ready() -> dict[str, bool]:
        service.check()
        return {"ready": True}

    @routes.get("/metrics", tags=["health"], summary="Metrics for Prometheus", response_class=Response)
    async def exposition() -> Response:
        return Response(metrics.text(), media_type=PLAIN)

    page = _docs()

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page

    routes.mount("/static", StaticFiles(directory=STATIC))
    return routes


def _docs() -> HTMLResponse:
    """Swagger UI, and what its page may do: run its own two scripts, style itself, and ask this server."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="servefn",
        swagger_js_url="static/swagger-ui-bundle.js",
        swagger_css_url="static/swagger-ui.css",
        swagger_favicon_url="static/favicon-32x32.png",
        swagger_ui_parameters={"defaultModelsExpandDepth": 0, "tryItOutEnabled": True},
    )
    (script,) = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    digest = b64encode(sha256(script).digest()).decode()
    page.headers["content-security-policy"] = POLICY.format(script=f"'sha256-{digest}'")
    return page
