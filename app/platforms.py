"""Where a container runs, as the platform says it in the environment: settings, if nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping

EVERYWHERE = "0.0.0.0"  # noqa: S104  # a platform calls from outside the container


def defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings by name, as text; none where no platform is known."""
    return _vertex(environ) or _sagemaker(environ)


def _vertex(environ: Mapping[str, str]) -> dict[str, str]:
    """Vertex AI. The place of the artifacts is an empty text if the model has none but the image's."""
    if "AIP_HTTP_PORT" not in environ:
        return {}
    artifacts = environ.get("AIP_STORAGE_URI")
    return {
        "host": EVERYWHERE,
        "port": environ["AIP_HTTP_PORT"],
        **({"models": artifacts} if artifacts else {}),
    }


def _sagemaker(environ: Mapping[str, str]) -> dict[str, str]:
    if "SAGEMAKER_BIND_TO_PORT" not in environ:
        return {}
    return {"host": EVERYWHERE, "port": environ["SAGEMAKER_BIND_TO_PORT"], "models": "/opt/ml/model"}
