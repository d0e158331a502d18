"""Rows to tensors and answers to JSON, guided by a signature.

The fast path decodes a whole body into structs made from the signature, and knows only *that* something is wrong; then
`app.faults` goes over the body again and says everything that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from struct import Struct
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict, astuple, replace

from app import faults
from app.answers import Writer
from app.errors import Fault, InvalidRequest, TooLarge
from app.signature import MISSING, NUMBERS, SAFE_INTEGER, STRINGS, Array, Datatype, Feature, Signature

Key = str | int


class Batch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The good rows of a request, their keys beside them, and the faults of the rows left out, by key.

    `parameters` are what the request says of the decision; None where the contract lets it say nothing.
    """

    rows: list[Any]
    key_field: str = ""
    keys: Sequence[Key] = ()
    errors: Mapping[Key, Sequence[Fault]] = {}
    parameters: Mapping[str, float] | None = None


class Codec:
    """Reads and writes what one signature describes. Made once per model; keeps nothing of any request.

    A row is a struct with the values of the features; rows of several requests may be put together.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        ordered = [*signature.numbers, *signature.strings]
        self._attributes = {feature.name: f"f{index}" for index, feature in enumerate(ordered)}
        names = {attribute: name for name, attribute in self._attributes.items()}
        fields = [(self._attributes[feature.name], _type(feature)) for feature in ordered]
        self._row = _struct("Row", fields, rename=names)
        keyed = _struct("KeyedRow", [*fields, ("key", _KEY)], rename={**names, "key": signature.key})
        around = _parameters(signature)
        self._online = _decoder(self._row, *around)
        self._keyed = _decoder(keyed, ("key_field", str, signature.key), *around)
        self._adjustable = bool(around)
        self._line, self._keyed_line = msgspec.json.Decoder(self._row), msgspec.json.Decoder(keyed)
        nulls = any(feature.nullable for feature in signature.numbers)
        self._pack = None if nulls else Struct(f"{len(signature.numbers)}d").pack
        writer = Writer(signature)
        self.predictions, self.decided, self.outputs = writer.predictions, writer.decided, writer.outputs
        self._enumerated = [
            (attrgetter(self._attributes[feature.name]), {None, *feature.categories})
            for feature in signature.numbers
            if feature.closed
        ]

    def decode(self, body: bytes, max_rows: int) -> Batch:
        """The rows of `{"instances": […]}`, all of them good. Raises MalformedBody, TooLarge or InvalidRequest."""
        try:
            request = self._online.decode(body)
        except _REFUSED as error:
            raise self._refusal(body, max_rows, error) from None
        rows = request.instances
        bounded(len(rows), max_rows)
        if self._enumerated and not self._known(rows):
            raise self._refusal(body, max_rows)
        return Batch(rows=rows, parameters=_said(request)) if self._adjustable else Batch(rows=rows)

    def decode_keyed(self, body: bytes, max_rows: int) -> Batch:
        """The same with a key in every row. Bad rows are set apart under their key, as long as one row is good."""
        try:
            request = self._keyed.decode(body)
        except _REFUSED as error:
            return self._sifted(body, max_rows, error)
        rows = request.instances
        bounded(len(rows), max_rows)
        keys = [row.key for row in rows]
        if request.key_field != self.signature.key or len(set(keys)) < len(keys) or not self._known(rows):
            return self._sifted(body, max_rows)
        batch = Batch(rows=rows, key_field=request.key_field, keys=keys)
        return replace(batch, parameters=_said(request)) if self._adjustable else batch

    def decode_line(self, line: bytes, number: int, key_field: str | None) -> tuple[Any, Key | None]:
        """A row that stands alone, and its key if there is to be one. Raises MalformedBody or InvalidRequest.

        `number` is what its faults give as the row.
        """
        if key_field is None or key_field == self.signature.key:
            try:
                row = (self._line if key_field is None else self._keyed_line).decode(line)
            except _REFUSED:
                row = None
            if row is not None and self._known([row]):
                return row, None if key_field is None else row.key
        document = faults.parse(line)
        found = [] if key_field is None else faults.in_keys([document], self.signature, key_field, number)
        found += chain.from_iterable(faults.in_rows([document], self.signature, key_field, number))
        if found:
            raise _invalid(found)
        return self._structs([document])[0], document[key_field] if key_field else None

    def rows(self, data: Any) -> list[Any]:
        """The rows of row mappings, a mapping column -> values (or a DataFrame), or a 2-D array in signature order.

        NaN and None are missing values here. Raises InvalidRequest when a row breaks the contract.
        """
        rows = _mappings(data, self.signature)
        if not rows:
            raise InvalidRequest([Fault(code="no_rows", message="There are no rows to predict.")])
        return self.sifted(rows, None).rows

    def tensors(self, rows: Sequence[Any]) -> dict[str, Array]:
        """What the graph takes for these rows."""
        values = list(map(astuple, rows))
        first, end = len(self.signature.numbers), len(self.signature.features)
        tensors: dict[str, Array] = {}
        if first:
            tensors[NUMBERS] = self._numbers([row[:first] for row in values])
        if first < end:
            tensors[STRINGS] = np.array([row[first:end] for row in values], dtype=np.object_)
            marked(tensors[STRINGS])
        return tensors

    def _numbers(self, rows: Sequence[tuple[float | None, ...]]) -> Array:
        if self._pack is None:
            return np.array(rows, dtype=np.float64)  # None becomes NaN
        packed = b"".join([self._pack(*row) for row in rows])  # a quarter of what numpy takes for it
        return np.frombuffer(packed).reshape(len(rows), -1)

    def _structs(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Rows without a fault as the structs that the decoder makes."""
        return [self._row(**{attribute: row[name] for name, attribute in self._attributes.items()}) for row in rows]

    def _known(self, rows: Sequence[Any]) -> bool:
        """Whether the numbers that are categories have no other value; a struct's type cannot say so."""
        return all(getter(row) in known for getter, known in self._enumerated for row in rows)

    def _refusal(self, body: bytes, max_rows: int, error: Exception | None = None) -> InvalidRequest:
        rows, found = faults.envelope(faults.parse(body), self.signature, keyed=False)
        bounded(len(rows), max_rows)
        found += chain.from_iterable(faults.in_rows(rows, self.signature))
        return _invalid(found or [_unexplained(error)])

    def _sifted(self, body: bytes, max_rows: int, error: Exception | None = None) -> Batch:
        document = faults.parse(body)
        rows, around = faults.envelope(document, self.signature, keyed=True)
        bounded(len(rows), max_rows)
        key_field = self.signature.key if around else document.get(faults.KEY_FIELD, self.signature.key)
        batch = self._keyed_batch(rows, key_field, around, error)
        return replace(batch, parameters=document.get(faults.PARAMETERS)) if self._adjustable else batch

    def sifted(self, rows: Sequence[Any], key_field: str | None) -> Batch:
        """Rows as JSON has them: all of them without a key field, with one the good, and the others set apart.

        Raises InvalidRequest.
        """
        if key_field is not None:
            return self._keyed_batch(rows, key_field, [], None)
        if found := list(chain.from_iterable(faults.in_rows(rows, self.signature))):
            raise _invalid(found)
        return Batch(rows=self._structs(rows))

    def _keyed_batch(
        self, rows: Sequence[Any], key_field: str, around: Sequence[Fault], error: Exception | None
    ) -> Batch:
        """The good rows and the faults of the bad. Raises InvalidRequest if none is good, or the keys are not."""
        around = [*around, *faults.in_keys(rows, self.signature, key_field)]
        in_rows = faults.in_rows(rows, self.signature, key_field)
        good = [row for row, found in zip(rows, in_rows, strict=True) if not found]
        if around or not good:
            raise _invalid([*around, *chain.from_iterable(in_rows)] or [_unexplained(error)])
        return Batch(
            rows=self._structs(good),
            key_field=key_field,
            keys=[row[key_field] for row in good],
            errors={row[key_field]: found for row, found in zip(rows, in_rows, strict=True) if found},
        )


def marked(strings: Array) -> None:
    """Put what the graph knows as a missing string where there is None."""
    strings[strings == MISSING] = MISSING + MISSING  # a client's own text is never a missing value
    strings[np.equal(strings, np.array(None))] = MISSING


_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TEXT_KEY = Annotated[str, Meta(min_length=1, max_length=faults.MAX_KEY)]
_NUMBER_KEY = Annotated[int, Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
_KEY = _TEXT_KEY | _NUMBER_KEY


def _struct(name: str, fields: list[Any], rename: dict[str, str] | None = None) -> Any:
    return msgspec.defstruct(name, fields, rename=rename, forbid_unknown_fields=True, gc=False)


def _decoder(row: Any, *around: Any) -> msgspec.json.Decoder[Any]:
    """A decoder of requests that have a list of these rows, and these fields around it."""
    instances = Annotated[list[row], Meta(min_length=1)]
    return msgspec.json.Decoder(_struct("Request", [("instances", instances), *around]))


def _parameters(signature: Signature) -> list[Any]:
    """The field of a request for the parameters that it may set; none if it may set none."""
    if not signature.adjustable:
        return []
    fields = [(name, _type(feature) | UnsetType, UNSET) for name, feature in signature.adjustable.items()]
    return [(faults.PARAMETERS, _struct("Parameters", fields) | UnsetType, UNSET)]


def _said(request: Any) -> dict[str, float] | None:
    """The parameters that a request sets."""
    if request.parameters is UNSET:
        return None
    return {name: value for name, value in asdict(request.parameters).items() if value is not UNSET}


def _type(feature: Feature) -> Any:
    """The type that msgspec decodes a feature's values as, with its limits."""
    match feature.datatype:
        case Datatype.BOOL:
            kind: Any = bool
        case Datatype.BYTES:
            kind = Literal[feature.categories] if feature.closed else str
        case Datatype.INT64:
            low, high = feature.range
            kind = Annotated[float, Meta(ge=low, le=high, multiple_of=1.0)]
        case Datatype.FP32 | Datatype.FP64:
            low, high = feature.range
            kind = Annotated[float, Meta(ge=low, le=high)]
    return kind | None if feature.nullable else kind


def _mappings(data: Any, signature: Signature) -> list[Any]:
    if isinstance(data, np.ndarray):
        if data.ndim != 2 or data.shape[1] != len(signature.features):
            message = f"An array must have the shape (rows, {len(signature.features)}), and has {data.shape}."
            raise InvalidRequest([Fault(code="wrong_shape", message=message)])
        data = dict(zip((feature.name for feature in signature.features), data.T, strict=True))
    if isinstance(data, Mapping) or hasattr(data, "columns"):
        columns = {name: np.asarray(data[name]).tolist() for name in data}
        if len({len(column) for column in columns.values()}) > 1:
            raise InvalidRequest([Fault(code="wrong_shape", message="The columns differ in length.")])
        data = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{name: _plain(value) for name, value in row.items()} if isinstance(row, Mapping) else row for row in data]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and value != value else value


def bounded(rows: int, max_rows: int) -> None:
    """Raises TooLarge."""
    if rows > max_rows:
        raise TooLarge(f"The request has {rows} rows, and the limit is {max_rows}; send it in parts.")


def _invalid(found: Sequence[Fault]) -> InvalidRequest:
    return InvalidRequest(found[: faults.MAX_FAULTS], total=len(found))


def _unexplained(error: Exception | None) -> Fault:
    return Fault(code="invalid", message=f"The request does not fit the contract: {error}.")
