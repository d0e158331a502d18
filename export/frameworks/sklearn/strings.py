"""Text in a graph as Python's own methods have it: texts [rows], and tokens [rows, longest], filled up by ''."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from export.frameworks.sklearn.patterns import in_class
from export.graph import ML, Graph

_MICROSOFT = "com.microsoft"
_NONE = "\ue000"
_PLANES = (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200))
"""Where characters with a case, an accent or a role beside them are."""


def cut(graph: Graph, text: str, pattern: str) -> str:
    """The tokens that an RE2 pattern finds."""
    return _ended(graph, _tokenised(graph, text, tokenexp=pattern))


def characters(graph: Graph, text: str) -> str:
    return _ended(graph, _tokenised(graph, text, separators=[""]))


def empty(graph: Graph, tokens: str) -> str:
    return graph.op("Equal", tokens, _text(graph, ""))


def among(graph: Graph, tokens: str, members: list[str]) -> str:
    """Whether each token is one of these."""
    found = graph.op(
        "LabelEncoder", tokens, domain=ML, keys_strings=members, values_int64s=[1] * len(members), default_int64=0
    )
    return graph.op("Equal", found, graph.constant(1, np.int64))


def compacted(graph: Graph, tokens: str, kept: str) -> str:
    """The kept tokens moved to the front, in their order."""
    place, length = _places(graph, tokens), graph.op("Shape", tokens, start=1, end=2)
    rank = graph.op("Where", kept, place, graph.op("Add", place, length))
    _, order = graph.ops("TopK", rank, length, outputs=2, axis=1, largest=0)
    held = graph.op("Where", kept, tokens, _text(graph, ""))
    return graph.op("GatherElements", held, order, axis=1)


def grams(graph: Graph, tokens: str, size: int, joint: str) -> str:
    """The n-grams [rows, longest], joined; '' where a row has no more."""
    found = after = tokens
    for _ in range(size - 1):
        after = _shifted(graph, after, "", left=True)
        found = graph.op("StringConcat", graph.op("StringConcat", found, _text(graph, joint)), after)
    return graph.op("Where", empty(graph, after), _text(graph, ""), found)


def spaced(graph: Graph, text: str) -> str:
    """The characters, with one space for a run of white space."""
    each = characters(graph, text)
    space = _white(graph, each)
    first = graph.op("Not", graph.op("And", space, _shifted(graph, space, False, left=False)))
    run = graph.op("And", space, _shifted(graph, space, False, left=True))
    return compacted(graph, graph.op("Where", run, _text(graph, " "), each), first)


def padded_words(graph: Graph, text: str) -> str:
    """The characters of each word between two spaces, and no others."""
    each = characters(graph, text)
    word = graph.op("Not", graph.op("Or", _white(graph, each), empty(graph, each)))
    start, end = (
        graph.op("And", word, graph.op("Not", _shifted(graph, word, False, left=left))) for left in (False, True)
    )
    blank = graph.op("Where", word, _text(graph, " "), _text(graph, " "))
    return compacted(graph, _interleaved(graph, blank, each, blank), _interleaved(graph, start, word, end))


def lowered(graph: Graph, text: str) -> str:
    """As `str.lower`: with onnxruntime's, and before it what that has otherwise, İ and the Σ that ends a word."""
    pieces, count = _pieces(graph, text, "İ")
    place = _places(graph, pieces)
    joint = graph.op("And", _between(graph, place, count), graph.op("Greater", place, graph.constant(0, np.int64)))
    text = _joined(graph, graph.op("Where", joint, _text(graph, "İ".lower()), _text(graph, "")), pieces)
    text = _small_sigmas(graph, text)
    return graph.op("StringNormalizer", text, case_change_action="LOWER", is_case_sensitive=0, locale="C.UTF-8")


def _small_sigmas(graph: Graph, text: str) -> str:
    """Each Σ made σ, or ς after a letter and not before one, looking past what is neither (Unicode, Final_Sigma)."""
    pieces, count = _pieces(graph, text, "Σ")
    place, (cased, passed) = _places(graph, pieces), _sigma_classes()
    first = graph.op("Equal", place, graph.constant(0, np.int64))
    last = graph.op("Not", _between(graph, graph.op("Add", place, graph.constant(1, np.int64)), count))
    only = graph.op("RegexFullMatch", pieces, pattern=f"{passed}*")
    ends = graph.op("RegexFullMatch", pieces, pattern=f"(?s).*{cased}{passed}*")
    starts = graph.op("RegexFullMatch", pieces, pattern=f"(?s){passed}*{cased}.*")
    after = _shifted(graph, graph.op("Or", ends, graph.op("And", only, graph.op("Not", first))), False, left=False)
    before = graph.op("Or", starts, graph.op("And", only, graph.op("Not", last)))
    final = graph.op("And", after, graph.op("Not", before))
    sigma = graph.op("Where", final, _text(graph, "ς"), _text(graph, "σ"))
    joint = graph.op("And", _between(graph, place, count), graph.op("Not", first))
    return _joined(graph, graph.op("Where", joint, sigma, _text(graph, "")), pieces)


def unaccented(graph: Graph, text: str, kind: str) -> str:
    """As `strip_accents_unicode`, or `strip_accents_ascii`, which drops what is then not ASCII."""
    each = characters(graph, text)
    changed = {one: plain for one, plain in _plain(kind).items() if plain or kind == "unicode"}
    default = _NONE if kind == "unicode" else ""
    keys, values = list(changed), list(changed.values())
    found = graph.op("LabelEncoder", each, domain=ML, keys_strings=keys, values_strings=values, default_string=default)
    if kind == "unicode":
        kept = graph.op("Equal", found, _text(graph, _NONE))
    else:
        kept = graph.op("RegexFullMatch", each, pattern=r"[\x00-\x7f]")
    return _joined(graph, _text(graph, ""), graph.op("Where", kept, each, found))


@cache
def _plain(kind: str) -> dict[str, str]:
    """What a character becomes, of those that change."""
    found = {}
    for one in map(chr, (*_PLANES, *range(0x2F800, 0x2FA20))):
        parts = unicodedata.normalize("NFKD", one)
        plain = "".join(part for part in parts if not unicodedata.combining(part))
        if kind == "ascii":
            plain = parts.encode("ascii", "ignore").decode()
        if plain != one:
            found[one] = plain
    return found


@cache
def _sigma_classes() -> tuple[str, str]:
    """RE2's classes of the characters that have a case, and of those that Final_Sigma looks past, as in Python."""
    cased, passed = np.zeros((2, 0x110000), dtype=bool)
    for code in _PLANES:
        one = chr(code)
        cased[code] = f"{one}Σ".lower()[-1] == "ς"
        passed[code] = f"A{one}Σ".lower()[-1] == "ς" and not cased[code]
    return in_class(cased), in_class(passed)


def _tokenised(graph: Graph, text: str, **how: Any) -> str:
    return graph.op("Tokenizer", text, domain=_MICROSOFT, mark=0, mincharnum=1, pad_value="", **how)


def _text(graph: Graph, value: str) -> str:
    return graph.constant(np.array(value, dtype=np.object_))


def _column(graph: Graph, like: str, value: str | bool) -> str:
    """One column of this, for as many rows."""
    kind = np.object_ if isinstance(value, str) else np.bool_
    shape = graph.op("Concat", graph.op("Shape", like, end=1), graph.constant([1], np.int64), axis=0)
    return graph.op("Expand", graph.constant(np.array([[value]], dtype=kind)), shape)


def _ended(graph: Graph, tokens: str) -> str:
    """With an empty one at the end, so that there is a token in any case."""
    return graph.op("Concat", tokens, _column(graph, tokens, ""), axis=1)


def _shifted(graph: Graph, tensor: str, value: str | bool, *, left: bool) -> str:
    """Moved by one column, which this fills."""
    start, end = (1, np.iinfo(np.int64).max) if left else (0, -1)
    kept = graph.op("Slice", tensor, *(graph.constant([one], np.int64) for one in (start, end, 1)))
    new = _column(graph, tensor, value)
    return graph.op("Concat", *((kept, new) if left else (new, kept)), axis=1)


def _interleaved(graph: Graph, *layers: str) -> str:
    wide = [graph.op("Unsqueeze", layer, graph.constant([2], np.int64)) for layer in layers]
    return graph.op("Reshape", graph.op("Concat", *wide, axis=2), graph.constant([0, -1], np.int64))


def _white(graph: Graph, each: str) -> str:
    return among(graph, each, [one for one in map(chr, _PLANES) if one.isspace()])


def _places(graph: Graph, tokens: str) -> str:
    """0, 1, 2, … for the columns."""
    length = graph.op("Squeeze", graph.op("Shape", tokens, start=1, end=2))
    return graph.op("Range", graph.constant(0, np.int64), length, graph.constant(1, np.int64))


def _pieces(graph: Graph, text: str, delimiter: str) -> tuple[str, str]:
    """The parts [rows, longest] between delimiters, and how many a row has [rows, 1]."""
    pieces, count = graph.ops("StringSplit", text, outputs=2, delimiter=delimiter)
    return _ended(graph, pieces), graph.op("Unsqueeze", count, graph.constant([1], np.int64))


def _between(graph: Graph, place: str, count: str) -> str:
    return graph.op("Less", place, count)


def _joined(graph: Graph, joints: str, pieces: str) -> str:
    """Joints and pieces, one after the other, as one text per row."""
    before, piece, after = ("text_before", "text_piece", "text_after")
    values = [helper.make_tensor_value_info(name, TensorProto.STRING, [None]) for name in (before, piece, after)]
    nodes = [
        helper.make_node("StringConcat", [before, piece], ["text_both"]),
        helper.make_node("Equal", [piece, _text(graph, "")], ["text_same"]),
        helper.make_node("Where", ["text_same", before, "text_both"], [after]),
    ]  # where nothing else read the text before, onnxruntime would put both behind it, in its own place
    body = helper.make_graph(nodes, "joined", values[:2], values[2:])
    parts = graph.op("StringConcat", joints, pieces)
    nothing = graph.op("Squeeze", _column(graph, pieces, ""), graph.constant([1], np.int64))
    return graph.op("Scan", nothing, parts, body=body, num_scan_inputs=1, scan_input_axes=[1])
