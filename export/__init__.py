"""Turn a fitted model into a bundle that carries its contract and the proof that it answers as the model does.

from export import export_model
export_model(model, X_sample, models_dir="models", name="iris")
"""

from export.decisions import Band, Costs, Reject, Threshold, TopK
from export.errors import ExportError, ParityError, UnsupportedModel
from export.exporter import Report, export_model
from export.quantiles import Buckets

__all__ = [
    "Band",
    "Buckets",
    "Costs",
    "ExportError",
    "ParityError",
    "Reject",
    "Report",
    "Threshold",
    "TopK",
    "UnsupportedModel",
    "export_model",
]
