"""Everything that is wrong with a request, said at once. Runs only after the fast decoder refused a body.

Here a body is read leniently (NaN and Infinity are numbers to the parser) so that what is wrong can be named by row,
key and field. What these functions accept, the fast decoder accepts; a property-based test holds the two together.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from app.errors import Fault, MalformedBody, quoted, similar
from app.signature import SAFE_INTEGER, Datatype, Feature, Ranking, Signature
from app.words import expectation, type_name

MAX_KEY = 256
"""Characters of a string key."""

MAX_FAULTS = 1000
"""Faults that are listed. Beyond it only the first of each further row is looked for, and without a guess at what was
meant, so that neither an answer nor the time to make it outgrows its request."""

INSTANCES, COLUMNS, KEY_FIELD, PARAMETERS = "instances", "columns", "key_field", "parameters"


def parse(body: bytes, *, beyond: bool = False) -> Any:
    """The JSON document in a body, with NaN and Infinity where it says so. Raises MalformedBody.

    With `beyond`, what follows the document is ignored.
    """
    try:
        text = str(body, "utf-8")
        if not text.strip():
            raise MalformedBody('The body is empty; send JSON such as {"instances": [{…}]}.')
        return _BEGINNING.raw_decode(text.lstrip(" \t\r\n"))[0] if beyond else json.loads(text, parse_int=_integer)
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8: byte {error.start} does not belong there.") from error
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise MalformedBody("The body is nested too deep.") from error


def envelope(document: Any, signature: Signature, *, keyed: bool) -> tuple[list[Any], list[Fault]]:
    """The rows of a request document, and what is wrong around them."""
    if not isinstance(document, dict):
        return [], [_fault("wrong_type", "the body", 'an object {"instances": […]}', document)]
    faults = _around(document, signature, INSTANCES, keyed=keyed)
    rows = document.get(INSTANCES)
    if INSTANCES not in document:
        message = "'instances' is missing: a list of rows."
        faults.append(Fault(code="missing_field", message=message, field=INSTANCES, expected="a list of rows"))
    elif not isinstance(rows, list) or not rows:
        faults.append(_fault("wrong_type", "instances", "a list of at least one row", rows, field=INSTANCES))
    return (rows if isinstance(rows, list) else []), faults


def around_columns(document: Any, signature: Signature, *, keyed: bool) -> list[Fault]:
    """What is wrong with a request document of columns, but for what is in them."""
    faults = _around(document, signature, COLUMNS, keyed=keyed)
    columns = document[COLUMNS]
    if not isinstance(columns, dict):
        faults.append(_fault("wrong_type", "columns", "an object of lists", columns, field=COLUMNS))
    elif bad := next((name for name, values in columns.items() if not isinstance(values, list)), None):
        faults.append(_fault("wrong_type", f"column {quoted(bad)}", "a list", columns[bad], field=quoted(bad)[1:-1]))
    return faults


def in_rows(
    rows: Sequence[Any], signature: Signature, key_field: str | None = None, first: int = 0
) -> list[list[Fault]]:
    """The faults of each row, an empty list for a good one. Rows are counted from `first`."""
    features = {feature.name: feature for feature in signature.features}
    found: list[list[Fault]] = []
    room = MAX_FAULTS
    for number, row in enumerate(rows, first):
        found.append(list(islice(_in_row(number, row, features, key_field, guess=room > 0), max(room, 1))))
        room -= len(found[-1])
    return found


def in_key_field(signature: Signature, key_field: str) -> list[Fault]:
    """What is wrong with the name of a key field, which must be unlike any other in a request or an answer."""
    taken = {"error", "faults", *(feature.name for feature in signature.features)}
    for output in signature.answers:
        taken |= {output.name, *(f"{output.name}.{column}" for column in output.columns)}
        if isinstance(output, Ranking):
            taken |= {name for place in range(len(output.classes)) for name in output.places(place)}
    if key_field not in taken:
        return []
    message = f"key_field {quoted(key_field)} is a feature or an output of the model; name another field."
    return [Fault(code="invalid_key", field=KEY_FIELD, message=message)]


def in_keys(rows: Sequence[Any], signature: Signature, key_field: str, first: int = 0) -> list[Fault]:
    """What is wrong with the keys, each of which must be there, be text or an integer, and be unlike the others."""
    if found := in_key_field(signature, key_field):
        return found
    keys = [row.get(key_field) if isinstance(row, dict) else None for row in rows]
    count = Counter(key for key in keys if is_key(key))
    faults = []
    for number, key in enumerate(keys, first):
        if not is_key(key):
            faults.append(_bad_key(number, rows[number - first], key_field))
        elif count[key] > 1:
            message = f"row {number}: the key {quoted(str(key))} stands in {count[key]} rows; keys must differ."
            faults.append(
                Fault(
                    code="duplicate_key",
                    message=message,
                    row=number,
                    key=key,
                    field=key_field,
                    expected="a key of its own",
                )
            )
    return faults


def duplicate_field(name: str) -> Fault:
    """What is wrong with columns of which several have the same name."""
    message = f"the column {quoted(name)} is there more than once; names must differ."
    return Fault(code="duplicate_field", message=message, field=quoted(name)[1:-1])


def is_key(value: Any) -> bool:
    """Whether a value can be a key: text of 1 to MAX_KEY characters, or an integer that JSON keeps exact."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_KEY and is_text(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= SAFE_INTEGER


def in_parameters(parameters: Any, known: Mapping[str, Feature]) -> list[Fault]:
    """What is wrong with what a request says of the decision."""
    if not isinstance(parameters, dict):
        return [_fault("wrong_type", PARAMETERS, "an object", parameters, field=PARAMETERS)]
    unknown = islice((name for name in parameters if name not in known), MAX_FAULTS)
    faults = [_unknown(name, known, where=f"{PARAMETERS}: ") for name in unknown]
    given = [(feature, parameters[name]) for name, feature in known.items() if name in parameters]
    return faults + [_value(code, None, None, one, value) for one, value in given if (code := _wrong(one, value))]


def _around(document: Mapping[str, Any], signature: Signature, member: str, *, keyed: bool) -> list[Fault]:
    known = [member, *([KEY_FIELD] if keyed else []), *([PARAMETERS] if signature.adjustable else [])]
    faults = [_unknown(name, known) for name in islice((name for name in document if name not in known), MAX_FAULTS)]
    if keyed and not is_text(document.get(KEY_FIELD, "")):
        faults.append(_fault("wrong_type", "key_field", "text", document[KEY_FIELD], field=KEY_FIELD))
    if PARAMETERS in known and PARAMETERS in document:
        faults += in_parameters(document[PARAMETERS], signature.adjustable)
    return faults


def _in_row(
    number: int, row: Any, features: Mapping[str, Feature], key_field: str | None, *, guess: bool
) -> Iterator[Fault]:
    if not isinstance(row, dict):
        yield _fault("wrong_type", f"row {number}", "an object with the features as fields", row, row=number)
        return
    found = row.get(key_field) if key_field else None
    key = found if is_key(found) else None
    meant = ([name for name in features if name not in row] or features) if guess else []
    for name in row:
        if name not in features and name != key_field:
            yield _unknown(name, meant, number, key)
    for name, feature in features.items():
        if name not in row:
            message = f"row {number}: '{name}' is missing; expected {expectation(feature)}."
            yield Fault(
                code="missing_field", message=message, row=number, key=key, field=name, expected=expectation(feature)
            )
        elif code := _wrong(feature, row[name]):
            yield _value(code, number, key, feature, row[name])


def _wrong(feature: Feature, value: Any) -> str | None:
    """The code of what is wrong with one value, or None."""
    if value is None:
        return None if feature.nullable else "null_not_allowed"
    if feature.datatype is Datatype.BYTES:
        right_type = isinstance(value, str) and is_text(value)
    elif feature.datatype is Datatype.BOOL:
        right_type = isinstance(value, bool)
    else:
        right_type = isinstance(value, int | float) and not isinstance(value, bool)
    if not right_type:
        return "wrong_type"
    return _wrong_value(feature, value)


def _wrong_value(feature: Feature, value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "not_finite"
    if feature.datatype is Datatype.INT64 and value % 1:
        return "wrong_type"
    if feature.closed and value not in feature.categories:
        return "unknown_category"
    if feature.datatype not in (Datatype.BYTES, Datatype.BOOL):
        low, high = feature.range
        return None if low <= value <= high else "out_of_range"
    return None


def _value(code: str, row: int | None, key: Any, feature: Feature, value: Any) -> Fault:
    expected, got = expectation(feature), type_name(value)
    guess = (
        similar(value, map(str, feature.categories)) if code == "unknown_category" and isinstance(value, str) else None
    )
    hint = f" Did you mean '{guess}'?" if guess else ""
    came = {"unknown_category": "another value", "out_of_range": f"{got} outside of that"}.get(code, got)
    where = PARAMETERS if row is None else f"row {row}"
    message = f"{where}: '{feature.name}' must be {expected}, and is {came}.{hint}"
    return Fault(
        code=code, message=message, row=row, key=key, field=feature.name, expected=expected, got=got, suggestion=guess
    )


_ROWS_GO = 'rows go into {"instances": [{…}]}'


def _unknown(
    name: str, known: Iterable[str], row: int | None = None, key: Any = None, where: str = "the request: "
) -> Fault:
    guess = similar(name, known)
    aside = _ROWS_GO if row is None and where == "the request: " else "take it out"
    where = where if row is None else f"row {row}: "
    hint = f"; did you mean '{guess}'?" if guess else f"; {aside}."
    message = f"{where}there is no field {quoted(name)}{hint}"
    return Fault(
        code="unknown_field",
        message=message,
        row=row,
        key=key,
        field=quoted(name)[1:-1],
        expected=guess and f"'{guess}'",
        suggestion=guess,
    )


def _bad_key(number: int, row: Any, key_field: str) -> Fault:
    there = isinstance(row, dict) and key_field in row
    expected = f"text of 1 to {MAX_KEY} characters, or an integer"
    state = "not usable" if there else "missing"
    message = f"row {number}: the key field {quoted(key_field)} is {state}; expected {expected}."
    got = type_name(row[key_field]) if there else None
    return Fault(
        code="invalid_key" if there else "missing_key",
        message=message,
        row=number,
        field=quoted(key_field)[1:-1],
        expected=expected,
        got=got,
    )


def _fault(code: str, where: str, expected: str, value: Any, **place: Any) -> Fault:
    got = "an empty list" if value == [] else type_name(value)
    return Fault(code=code, message=f"{where} must be {expected}, and is {got}.", expected=expected, got=got, **place)


def is_text(value: Any) -> bool:
    """Whether a value is a string that UTF-8 can hold, so without lone surrogates."""
    if not isinstance(value, str):
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 309 else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


_BEGINNING = json.JSONDecoder(parse_int=_integer)
