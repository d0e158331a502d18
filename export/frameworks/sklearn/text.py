"""Vectorisers of text: words or characters, cut in the graph as Python cuts them, and counted.

Texts travel as strings to the last: lowered and stripped of accents as Python does, cut by RE2 or into characters, and
put together to n-grams by onnxruntime's own counter of them. Counts are whole numbers, and so exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer

from export.errors import UnsupportedModel
from export.frameworks import exact, transformer
from export.frameworks.sklearn import strings
from export.frameworks.sklearn.patterns import words
from export.graph import Columns, Graph, rows

_MICROSOFT = "com.microsoft"
_WIDEST_HASH = 2**16


@transformer(CountVectorizer)
@exact
def count_vectorizer(graph: Graph, model: CountVectorizer, columns: Columns) -> Columns:
    counts = _counts(graph, model, _tokens(graph, model, columns))
    return graph.columns(counts, len(model.vocabulary_))


@transformer(TfidfVectorizer)
def tfidf_vectorizer(graph: Graph, model: TfidfVectorizer, columns: Columns) -> Columns:
    counts = _counts(graph, model, _tokens(graph, model, columns))
    return graph.columns(_weighted(graph, counts, model._tfidf), len(model.vocabulary_))


@transformer(TfidfTransformer)
def tfidf_transformer(graph: Graph, model: TfidfTransformer, columns: Columns) -> Columns:
    return graph.columns(_weighted(graph, graph.matrix(columns), model), len(columns))


@transformer(HashingVectorizer)
def hashing_vectorizer(graph: Graph, model: HashingVectorizer, columns: Columns) -> Columns:
    """Each n-gram counts, up or down, in the column that its MurmurHash3 says."""
    if model.n_features > _WIDEST_HASH:
        raise UnsupportedModel(
            f"HashingVectorizer(n_features={model.n_features}) gives a row that wide; use up to {_WIDEST_HASH}, or a "
            "TfidfVectorizer"
        )
    if model.analyzer == "char_wb" or (model.binary and model.alternate_sign):
        raise UnsupportedModel(
            "HashingVectorizer with analyzer='char_wb', or with binary and alternate_sign; use a CountVectorizer"
        )
    tokens = _tokens(graph, model, columns)
    joint = " " if model.analyzer == "word" else ""
    low, high = model.ngram_range
    grams = graph.op("Concat", *(strings.grams(graph, tokens, size, joint) for size in range(low, high + 1)), axis=1)
    hashed = graph.cast(graph.op("MurmurHash3", grams, domain=_MICROSOFT, positive=0), TensorProto.INT64)
    place = graph.op("Mod", graph.op("Abs", hashed), graph.constant(model.n_features, np.int64))
    negative = graph.op("Less", hashed, graph.constant(0, np.int64))
    sign = graph.op("Where", negative, graph.constant(-1.0 if model.alternate_sign else 1.0), graph.constant(1.0))
    value = graph.op("Where", strings.empty(graph, grams), graph.constant(0.0), sign)
    count = graph.op("Concat", graph.op("Shape", grams, end=1), graph.constant([model.n_features], np.int64), axis=0)
    nothing = graph.op("Expand", graph.constant([[0.0]]), count)
    found = graph.op("ScatterElements", nothing, place, value, axis=1, reduction="add")
    found = graph.op("Sign", found) if model.binary else found
    return graph.columns(_normed(graph, found, model.norm), model.n_features)


@transformer(DictVectorizer, FeatureHasher)
def of_mappings(_graph: Graph, model: Any, _columns: Columns) -> Columns:
    raise UnsupportedModel(f"{type(model).__name__} takes mappings, not rows of columns; use a OneHotEncoder")


def _tokens(graph: Graph, model: Any, columns: Columns) -> str:
    """The tokens [rows, longest], in their order; rows of fewer end in empty ones."""
    _check(model, columns)
    text = graph.op("Reshape", graph.matrix(columns), graph.constant([-1], np.int64))
    if model.lowercase:
        text = strings.lowered(graph, text)
    if model.strip_accents:
        text = strings.unaccented(graph, text, model.strip_accents)
    if model.analyzer != "word":
        return (strings.padded_words if model.analyzer == "char_wb" else strings.spaced)(graph, text)
    pattern = words(model.token_pattern)
    if model.ngram_range[1] > 1 and pattern.spaces:
        raise UnsupportedModel(f"n-grams of words with spaces in them, as token_pattern={model.token_pattern!r} gives")
    tokens = strings.cut(graph, text, pattern.found)
    kept = graph.op("RegexFullMatch", tokens, pattern=pattern.kept) if pattern.kept else ""
    if stopped := sorted(model.get_stop_words() or ()):
        passed = graph.op("Not", strings.among(graph, tokens, stopped))
        kept = graph.op("And", kept, passed) if kept else passed
    return strings.compacted(graph, tokens, kept) if kept else tokens


def _check(model: Any, columns: Columns) -> None:
    name = type(model).__name__
    if len(columns) != 1 or not columns[0].text:
        raise UnsupportedModel(f"a {name} takes one column of text; give it one by name in a ColumnTransformer")
    given = [option for option in ("tokenizer", "preprocessor", "analyzer") if callable(getattr(model, option))]
    given += ["strip_accents"] if callable(model.strip_accents) else []
    if given:
        raise UnsupportedModel(
            f"{name}({given[0]}=…) runs Python; use token_pattern, lowercase and strip_accents, or prepare the texts "
            "before the model"
        )
    if model.input != "content":
        raise UnsupportedModel(f"{name}(input={model.input!r}) reads files; use input='content'")


def _counts(graph: Graph, model: Any, tokens: str) -> str:
    """How often each term of the vocabulary is there [rows, terms]."""
    grams = {term: _parts(model, term) for term in model.vocabulary_}
    found = sorted((term for term in grams if _possible(model, term, grams[term])), key=lambda term: len(grams[term]))
    if not found:
        raise UnsupportedModel(f"the vocabulary of the {type(model).__name__} has no term that it could find")
    longest = len(grams[found[-1]])
    sizes = np.array([len(grams[term]) for term in found])
    lengths = np.bincount(sizes, minlength=longest + 1)[1:] * np.arange(1, longest + 1)
    counts = graph.op(
        "TfIdfVectorizer",
        tokens,
        mode="TF",
        min_gram_length=1,
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=[0, *np.cumsum(lengths)[:-1].tolist()],
        ngram_indexes=[int(model.vocabulary_[term]) for term in found],
        pool_strings=[part for term in found for part in grams[term]],
    )
    present = graph.op("Sign", counts) if model.binary else counts
    return graph.cast(present, TensorProto.DOUBLE)


def _parts(model: Any, term: str) -> tuple[str, ...]:
    if model.analyzer != "word":
        return tuple(term)
    return tuple(term.split(" ")) if model.ngram_range[1] > 1 else (term,)


def _possible(model: Any, term: str, parts: tuple[str, ...]) -> bool:
    """Whether the vectoriser could find a term; one of a vocabulary that was given it may never."""
    low, high = model.ngram_range
    whole = model.analyzer == "char_wb" and term[:1] == term[-1:] == " " and " " not in term[1:-1]
    return all(parts) and len(parts) <= high and (len(parts) >= low or (whole and len(parts) > 2))


def _weighted(graph: Graph, counts: str, model: TfidfTransformer) -> str:
    if model.sublinear_tf:
        none = graph.op("Equal", counts, graph.constant(0.0))
        logarithm = graph.op("Log", graph.op("Where", none, graph.constant(1.0), counts))
        counts = graph.op("Where", none, counts, graph.op("Add", logarithm, graph.constant(1.0)))
    if model.use_idf:
        counts = graph.op("Mul", counts, graph.constant(rows(model.idf_)))
    return _normed(graph, counts, model.norm)


def _normed(graph: Graph, matrix: str, norm: str | None) -> str:
    """Rows divided by their norm; a row of zeros stays one."""
    if norm is None:
        return matrix
    total = graph.op("ReduceL1" if norm == "l1" else "ReduceL2", matrix, graph.constant([1], np.int64), keepdims=1)
    none = graph.op("Equal", total, graph.constant(0.0))
    return graph.op("Div", matrix, graph.op("Where", none, graph.constant(1.0), total))
