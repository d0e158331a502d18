"""Text: the graph finds the words and characters that the vectoriser finds, in any text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app import load
from app.predictor import Model
from export import UnsupportedModel, export_model

LETTERS = list("aAbBzZ019__-'.,!  \t\n\r\x0b\x1c\x85\xa0éÉßẞİıΣσςΑαΒ\u0301\u0307ﬁ½²①日本한ｱＡǅ\u200d\u2003🛫\xadʰªͅ:·")
"""Letters with a case, an accent or neither, marks and spaces of every kind, and what only looks like one of them."""


def texts(count: int = 300) -> list[str]:
    random = np.random.default_rng(0)
    return ["".join(random.choice(LETTERS, random.integers(0, 14))) for _ in range(count)]


TEXTS = texts()
SIDES = np.where(["a" in text for text in TEXTS], "yes", "no")

VECTORISERS = {
    "words": CountVectorizer(ngram_range=(1, 2)),
    "stopped": CountVectorizer(ngram_range=(2, 3), token_pattern=r"(?u)\b\w+\b", stop_words=["a", "b", "σ"]),
    "some_words": CountVectorizer(ngram_range=(1, 2), token_pattern=r"\b[a-zéς]{1,3}\b", binary=True),
    "not_spaces": CountVectorizer(token_pattern=r"\S+", lowercase=False),
    "sequence": CountVectorizer(token_pattern=r"[^b\s]+[0-9]?_*"),
    "characters": TfidfVectorizer(analyzer="char", ngram_range=(1, 3), norm="l1"),
    "characters_in_words": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True),
    "without_accents": TfidfVectorizer(strip_accents="unicode", token_pattern=r"\w+", norm=None),
    "ascii": CountVectorizer(strip_accents="ascii", token_pattern=r"\w+", max_features=12),
    "own_vocabulary": CountVectorizer(vocabulary=["ab", "a", "", "a b", "σας"]),
    "hashed": HashingVectorizer(n_features=64, ngram_range=(1, 2)),
    "hashed_characters": HashingVectorizer(n_features=64, analyzer="char", alternate_sign=False, binary=True),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    models = tmp_path_factory.mktemp("models")
    return {
        name: load(export_model(vectoriser.fit(TEXTS), TEXTS, models, name).path)
        for name, vectoriser in VECTORISERS.items()
    }


@given(st.lists(st.text(st.one_of(st.sampled_from(LETTERS), st.characters(codec="utf-8"))), min_size=1))
@settings(max_examples=60)
def test_any_text_is_counted_as_the_vectoriser_counts_it(served: dict[str, Model], some: list[str]) -> None:
    for name, vectoriser in VECTORISERS.items():
        expected = vectoriser.transform(some).toarray()
        found = served[name].predict([{"text": text} for text in some])["transformed"]
        assert np.abs(found - expected).max() < 1e-15, name


@pytest.mark.parametrize("text", ["İ", "ΟΔΟΣ ΣΑΣ Σ ΑΣ. ΑΣ.Β aΣ̇ Σ", "ΣΣ", "AΣ\xad", "ẞ ǅ ﬃ", "a", "", " ", "\u3000"])
def test_letters_that_change_oddly(served: dict[str, Model], text: str) -> None:
    for name in ("words", "characters_in_words", "without_accents"):
        trained = VECTORISERS[name].transform([text]).toarray()
        assert np.abs(served[name].predict([{"text": text}])["transformed"] - trained).max() < 1e-15


def test_pipelines_of_text_are_exact(tmp_path: Path) -> None:
    steps = [
        (CountVectorizer(), TfidfTransformer(sublinear_tf=True)),
        (TfidfVectorizer(), TruncatedSVD(3, random_state=0)),
        (TfidfVectorizer(), SelectKBest(k=5)),
    ]
    for number, each in enumerate(steps):
        model = make_pipeline(*each, LogisticRegression()).fit(TEXTS, SIDES)
        report = export_model(model, TEXTS, tmp_path, f"text{number}")
        assert (report.certificate.flips, report.certificate.worst < 1e-12) == (0, True)


def test_a_text_among_other_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame({"title": TEXTS, "price": np.arange(len(TEXTS)) / 7, "body": TEXTS[::-1]})
    columns = ColumnTransformer(
        [("title", TfidfVectorizer(), "title"), ("price", StandardScaler(), ["price"]), ("body", CountVectorizer(), 2)]
    )
    report = export_model(make_pipeline(columns, LogisticRegression()).fit(frame, SIDES), frame, tmp_path, "columns")
    assert (report.certificate.flips, report.certificate.worst < 1e-12) == (0, True)


def test_twenty_thousand_words(tmp_path: Path) -> None:
    many = [" ".join(f"w{index}" for index in range(start, start + 100)) for start in range(0, 20_000, 100)]
    sides = np.arange(len(many)) % 2
    report = export_model(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(many, sides), many, tmp_path, "m")
    assert report.certificate.flips == 0


@pytest.mark.parametrize(
    ("vectoriser", "message"),
    [
        (CountVectorizer(tokenizer=str.split, token_pattern=None), r"tokenizer=.*runs Python; use token_pattern"),
        (CountVectorizer(preprocessor=str.lower), "preprocessor=.*runs Python"),
        (CountVectorizer(analyzer=str.split), "analyzer=.*runs Python"),
        (CountVectorizer(token_pattern=r"a|ab"), "RE2 would find otherwise; use characters and classes"),
        (CountVectorizer(token_pattern=r"\b\w+"), "at both ends"),
        (CountVectorizer(token_pattern=r"\b\w+-\w+\b"), "at both ends"),
        (CountVectorizer(token_pattern=r"(\w)\w+"), "RE2"),
        (CountVectorizer(token_pattern=r"[a-z]+?b"), "RE2"),
        (CountVectorizer(token_pattern=r"[\w ]+", ngram_range=(1, 2)), "n-grams of words with spaces"),
        (HashingVectorizer(), "use up to 65536, or a TfidfVectorizer"),
        (HashingVectorizer(n_features=8, analyzer="char_wb"), "use a CountVectorizer"),
    ],
)
def test_what_no_graph_can_cut_is_refused_by_name(vectoriser: Any, message: str, tmp_path: Path) -> None:
    plain = ["ab ab abc", "b c-d dd ab", "ab"]
    with pytest.raises(UnsupportedModel, match=message):
        export_model(vectoriser.fit(plain), plain, tmp_path, "model")


def test_mappings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="mappings"):
        export_model(make_pipeline(FeatureHasher(8, input_type="string")).fit([["a"]]), [["a"], ["b"]], tmp_path, "m")
