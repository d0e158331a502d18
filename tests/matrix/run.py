"""Cases tried in processes of their own, which may take their time, or die, and harm nothing else."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from export import ExportError, ParityError, export_model
from tests.matrix.case import Case
from tests.matrix.cases import CASES
from tests.matrix.check import check
from tests.matrix.outcome import Ending, Outcome

CONTEXT = multiprocessing.get_context("forkserver")


def run(cases: Sequence[Case], workers: int, limit: float) -> Iterator[Outcome]:
    """The outcome of each case, as they end; one that takes longer than `limit` seconds has crashed."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    CONTEXT.set_forkserver_preload(["tests.matrix.run"])
    with ThreadPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(_isolated, case, limit) for case in cases]):
            yield done.result()


def attempt(case: Case) -> Outcome:
    """Fit, export and check one case, here and now."""
    ended, started = partial(Outcome, case=case.name, family=case.family), time.perf_counter()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as models:
        warnings.simplefilter("ignore")
        model, sample = case.build()
        try:
            path = export_model(model, sample, models, "case").path
        except ParityError as error:
            return ended(ending=Ending.STOPPED, reason=_parity(error), seconds=time.perf_counter() - started)
        except ExportError as error:
            return ended(ending=Ending.REFUSED, reason=str(error), seconds=time.perf_counter() - started)
        found = check(model, sample, path)
    ending = Ending.WRONG if found.fault else Ending.RIGHT
    seconds = time.perf_counter() - started
    return ended(ending=ending, reason=found.fault, worst=found.worst, rows=found.rows, seconds=seconds)


def _parity(error: ParityError) -> str:
    worst = error.mismatches[0]
    return f"{error} (worst in '{worst.check}': {worst.trained} | {worst.served} | {worst.row})"[:400]


def _isolated(case: Case, limit: float) -> Outcome:
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_worker, args=(case.name, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(limit):
            return _crashed(case, f"took longer than {limit:g} s")
        found: Outcome = ours.recv()
    except EOFError:
        process.join()
        return _crashed(case, f"its process ended with exit code {process.exitcode}")
    else:
        return found
    finally:
        process.kill()
        process.join()


def _worker(name: str, answer: Connection[Any, Any]) -> None:
    case = CASES[name]
    try:
        found = attempt(case)
    except Exception as error:  # a bug, of the exporter or of the case, is an outcome too
        found = _crashed(case, _where(error))
    answer.send(found)


def _crashed(case: Case, reason: str) -> Outcome:
    return Outcome(case=case.name, family=case.family, ending=Ending.CRASHED, reason=reason)


def _where(error: Exception) -> str:
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else "?"
    return f"{type(error).__name__} at {place}: {error}"[:400]
