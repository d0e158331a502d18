"""servefn: a trained model, exported once, served as one pure function.

    from app import load
    load("models/iris/1").predict(rows)

The library imports no web framework; the service is `app.main`.
"""

from app.errors import BundleError, InvalidRequest, PredictionFailed, ServingError
from app.predictor import Model, load
from app.signature import Datatype, Feature, Kind, Output, Signature

__all__ = [
    "BundleError",
    "Datatype",
    "Feature",
    "InvalidRequest",
    "Kind",
    "Model",
    "Output",
    "PredictionFailed",
    "ServingError",
    "Signature",
    "load",
]
