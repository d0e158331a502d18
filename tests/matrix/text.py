"""Text: vectorizers alone, with their options, and in front of models."""

from __future__ import annotations

from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from tests.matrix.case import Case, fits


def vectorizers() -> list[Case]:
    models = [
        CountVectorizer(),
        CountVectorizer(binary=True),
        CountVectorizer(ngram_range=(1, 2)),
        CountVectorizer(analyzer="char", ngram_range=(2, 3)),
        CountVectorizer(analyzer="char_wb", ngram_range=(3, 3)),
        CountVectorizer(token_pattern=r"[a-z]+"),
        CountVectorizer(token_pattern=r"(?u)\b\w+\b"),
        CountVectorizer(lowercase=False),
        CountVectorizer(strip_accents="unicode"),
        CountVectorizer(stop_words="english"),
        CountVectorizer(max_features=5),
        CountVectorizer(vocabulary=["red", "blue", "none"]),
        CountVectorizer(tokenizer=str.split, token_pattern=None),
        HashingVectorizer(n_features=32),
        TfidfVectorizer(),
        TfidfVectorizer(sublinear_tf=True, norm="l1"),
        TfidfVectorizer(norm=None, use_idf=False),
        TfidfVectorizer(ngram_range=(1, 2), min_df=3, stop_words=["red", "fast"]),
        TfidfVectorizer(smooth_idf=False, max_df=0.9),
    ]
    return fits("text", "texts", *models)


def classifiers() -> list[Case]:
    models = {
        "Tfidf | LogisticRegression": make_pipeline(TfidfVectorizer(), LogisticRegression()),
        "Tfidf of pairs | LinearSVC": make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC()),
        "Count | MultinomialNB": make_pipeline(CountVectorizer(), MultinomialNB()),
        "Count | ComplementNB": make_pipeline(CountVectorizer(), ComplementNB()),
        "Count | TfidfTransformer | SGD": make_pipeline(
            CountVectorizer(), TfidfTransformer(), SGDClassifier(random_state=0)
        ),
        "Hashing | LogisticRegression": make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()),
        "Tfidf | SVD | RandomForest": make_pipeline(
            TfidfVectorizer(), TruncatedSVD(3, random_state=0), RandomForestClassifier(8, random_state=0)
        ),
        "characters | LogisticRegression": make_pipeline(
            TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), LogisticRegression()
        ),
    }
    return [
        *fits("text", "texts, two classes", **models),
        *fits("text", "texts, three classes", **{name: models[name] for name in list(models)[:3]}),
    ]


GROUPS = [vectorizers, classifiers]
