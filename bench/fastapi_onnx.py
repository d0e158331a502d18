"""FastAPI, pydantic and onnxruntime as one would write them by hand, with care: what servefn is compared with."""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, HTTPException

from bench.rows import NAMES, Answer, Prediction, Request

MODELS = Path(os.environ["BENCH_MODELS"])
VALUES = attrgetter(*NAMES)


def session(name: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(MODELS / name / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])


app = FastAPI()
sessions = {name: session(name) for name in ("logistic", "forest")}


@app.post("/models/{name}/predict")
async def predict(name: str, request: Request) -> Answer:
    if name not in sessions:
        raise HTTPException(404)
    numbers = np.array([VALUES(row) for row in request.instances], dtype=np.float64)
    labels, probabilities = sessions[name].run(["label", "probabilities"], {"numbers": numbers})
    pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
    predictions = [Prediction(label=label, probabilities={"0": p[0], "1": p[1]}) for label, p in pairs]
    return Answer(model=name, predictions=predictions)
