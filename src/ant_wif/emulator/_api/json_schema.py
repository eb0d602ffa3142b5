"""Whether a value satisfies a JSON schema, as far as the schemas of tools and answers need it."""

from __future__ import annotations

import functools
import importlib
import json
import re
import string
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import unquote

if TYPE_CHECKING:
    from fractions import Fraction

Schema = Mapping[str, Any]


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: is_number(value) and float(value).is_integer(),
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
TYPES = tuple(_TYPES)


class SchemaError(Exception):
    """A schema that cannot be satisfied, or cannot be read. The text says why."""


_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    "items", "additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else",
)  # fmt: skip


def is_schema(schema: object) -> bool:
    """Return whether the parts of a schema are what JSON Schema wants in their place."""
    left = [schema]  # without recursion: how deep it is nested is for its sender to choose
    while left:
        part = left.pop()
        if isinstance(part, bool):
            continue
        if not isinstance(part, dict):
            return False
        part = {name: each for name, each in part.items() if each is not None}  # as the SDK has `properties`
        types = part.get("type", [])
        named, listed = ([part[name] for name in names if name in part] for names in (_NAMED, _LISTED))
        words = [part.get("required", []), [types] if isinstance(types, str) else types]
        if (
            not all(isinstance(each, dict) for each in named)
            or not all(isinstance(each, list) for each in [*listed, *words, part.get("enum", [])])
            or not all(isinstance(word, str) for each in words for word in each)
            or not set(words[1]) <= _TYPES.keys()
        ):
            return False
        left += [each for parts in named for each in parts.values()] + [each for parts in listed for each in parts]
        singles = [part[name] for name in _SINGLE if name in part]
        left += [each for single in singles for each in (single if isinstance(single, list) else [single])]
    return True


def exact(number: object) -> Fraction:
    """Return the number that was written: 0.1 is a tenth."""
    from fractions import Fraction

    if not is_number(number):
        raise SchemaError(f"{number!r} is not a number")
    return Fraction(str(number))


def key_of(value: object) -> str:
    """Return the same text for equal values. `1` and `true` are not equal."""
    return json.dumps(value, sort_keys=True)


def types_of(schema: Schema) -> tuple[str, ...]:
    """Return the types that a schema names. Raises `SchemaError` for one that JSON does not have."""
    named = schema.get("type", ())
    names = (named,) if isinstance(named, str) else tuple(named)
    for name in names:
        if name not in _TYPES:
            raise SchemaError(f"type {name!r} is not one of {', '.join(_TYPES)}")
    return names


# What ECMAScript writes in another way than Python: a group with a name, and letters of all alphabets.
_NAMED_GROUP = re.compile(r"\(\?<(?=[^\W\d])")
# And what Python warns of in a class: a later version may read a set operation there.
_CLASS_OR_PROPERTY = re.compile(r"\\([pP])\{(\w+)\}|\[\^?\]?|\]|\\.|--|&&|~~|\|\|", re.DOTALL)
_MEMBERS = {
    "Lu": "A-ZÀ-ÖØ-Þ", "Ll": "a-zß-öø-ÿ", "N": "0-9", "Nd": "0-9", "Z": " ", "Zs": " ", "P": "!-#%-*,-/:;?@_{}",
    "S": "$+<=>^`|~", "Sc": "$€£", "Emoji": "😀-🙏", "Extended_Pictographic": "😀-🙏", "Emoji_Component": "0-9",
}  # fmt: skip
_LETTERS = "a-zA-ZÀ-ÖØ-öø-ÿ"


@functools.lru_cache
def expression(pattern: str) -> re.Pattern[str]:
    """Return a pattern of a schema, compiled. Raises `re.error`."""
    is_within = False

    def written(found: re.Match[str]) -> str:
        nonlocal is_within
        text, kind = found[0], found[1]
        if kind is None and is_within and text[0] in "[-&~|":
            is_within = text[-1] != "]"
            return r"-\-" if text == "--" else f"\\{text}"
        if kind is None:
            is_within = text[0] == "[" or (is_within and text != "]")
            return text
        members = _MEMBERS.get(found[2], _LETTERS)
        return members if is_within else f"[{'^' * (kind == 'P')}{members}]"

    return re.compile(_CLASS_OR_PROPERTY.sub(written, _NAMED_GROUP.sub("(?P<", pattern)))


def parsed(pattern: str) -> Any:
    """Return the parts of a pattern, as Python's parser has them. Raises `re.error`."""
    parser = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    return parser.parse(expression(pattern).pattern)


_LONGEST_DOUBTFUL = 20
_MANY = 10
_MOST_STEPS = 200_000


def finds(pattern: str, text: str) -> bool:
    """Raises `re.error`, and `SchemaError` where the search may take a time that grows exponentially."""
    if len(text) > _LONGEST_DOUBTFUL and _is_doubtful(pattern):
        sentence = "repeats what matches a text in many ways, which may take for ever on one of"
        raise SchemaError(f"the pattern {pattern!r} {sentence} {len(text)} characters")
    return expression(pattern).search(text) is not None


@functools.lru_cache
def _is_doubtful(pattern: str) -> bool:
    """Return whether the rounds of a repetition can match the same text in many ways."""
    places = _Places()
    places.add(parsed(pattern))
    return any(places.return_twice(place) for place in places.starts)


class _Places:
    """The places in a pattern that take a character, and which place may come after which (Glushkov's automaton).

    A place that comes after another in two ways stands there twice.
    """

    def __init__(self) -> None:
        self.starts: set[int] = set()
        """Where a round of a repetition may begin."""
        self._repeated: set[int] = set()
        self._left = _MOST_STEPS
        self._taken: list[set[str]] = []
        self._after: list[list[int]] = []
        self._counted: set[tuple[int, int]] = set()

    def add(self, parts: Any) -> tuple[int, list[int], list[int]]:
        """Return in how many ways the parts are empty, two at most, and the places at which they begin and end."""
        empty, first, last = 1, list[int](), list[int]()
        for part in parts:
            ways, begin, end = self._add_part(part)
            self._join(last, begin)
            first, last = _two_of_each(first + begin * empty), _two_of_each(last * ways + end)
            empty = min(2, empty * ways)
        return empty, first, last

    def _add_part(self, part: Any) -> tuple[int, list[int], list[int]]:
        kind, argument = str(part[0]), part[1]
        if kind in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}:
            self._taken.append({*(ANY if kind == "ANY" else set_of(argument if kind == "IN" else [part]))})
            self._after.append([])
            place = len(self._after) - 1
            return 0, [place], [place]
        if kind == "SUBPATTERN":
            return self.add(argument[-1])
        if kind == "BRANCH":
            ways, begins, ends = zip(*map(self.add, argument[1]), strict=True)
            return min(2, sum(ways)), _two_of_each(chain(*begins)), _two_of_each(chain(*ends))
        if kind not in {"MAX_REPEAT", "MIN_REPEAT"}:
            return 1, [], []
        low, high, inner = argument
        start = len(self._after)
        empty, begin, end = self.add(inner)
        if high >= _MANY:
            self._repeated.update(range(start, len(self._after)))
            self.starts.update(begin)
        if high >= _MANY or high > max(low, 1):
            self._join(end, begin, counted=low == high)
        return empty if low else 1, begin, end

    def _join(self, ends: list[int], begins: list[int], *, counted: bool = False) -> None:
        """Let one of these places come after one of those: `counted` says that the number of rounds is certain."""
        self._left -= len(ends) * len(begins)
        if self._left < 0:
            return
        for pair in ((end, begin) for end in ends for begin in begins):
            if pair not in self._counted:
                self._after[pair[0]].append(pair[1])
            (self._counted.add if counted else self._counted.discard)(pair)

    def return_twice(self, place: int) -> bool:
        """Return whether two ways lead from a place back to it with the same text, or it takes too long to know."""
        ways = [(place, place, False)]
        seen = set(ways)
        for one, other, differ in ways:
            for at, here in enumerate(self._after[one]):
                for also_at, there in enumerate(self._after[other]):
                    self._left -= 1
                    way = here, there, differ or at != also_at or one != other
                    if self._left < 0:
                        return True
                    if way in seen or self._taken[here].isdisjoint(self._taken[there]):
                        continue
                    if way == (place, place, True):
                        return True
                    if {here, there} <= self._repeated:
                        seen.add(way)
                        ways.append(way)
        return False


def _two_of_each(found: Iterable[int]) -> list[int]:
    times = Counter(found)
    return [*times, *(each for each, count in times.items() if count > 1)]


# The escapes for a class of characters, and a character outside of it.
_CLASSES = {"DIGIT": "0123456789", "WORD": string.ascii_letters + string.digits + "_", "SPACE": " \t"}
ANY = string.ascii_letters + string.digits + " -_.,:;/!?@#%&=+*()[]{}<>~^|'\"\\`$"
_MOST_OF_RANGE = 40


def set_of(members: Sequence[tuple[Any, Any]]) -> str:
    """Return characters that a set has, as many as are needed."""
    names = [(str(kind), argument) for kind, argument in members]
    found = ""
    for name, argument in names:
        if name == "LITERAL":
            found += chr(argument)
        elif name == "RANGE":
            found += "".join(map(chr, range(argument[0], min(argument[1], argument[0] + _MOST_OF_RANGE) + 1)))
        elif name == "CATEGORY":
            found += _category(str(argument))
    if names[0][0] == "NEGATE":
        return "".join(character for character in ANY if character not in found)
    if names[0][0] == "NOT_LITERAL":
        return "".join(character for character in ANY if ord(character) != names[0][1])
    return found


def _category(name: str) -> str:
    characters = _CLASSES.get(name.rpartition("_")[2], ANY)
    return "".join(each for each in ANY if each not in characters) if "_NOT_" in name else characters


def resolve(root: object, reference: object) -> object:
    """Return the schema that a `$ref` names. Raises `SchemaError` where the document does not have it."""
    if not isinstance(reference, str) or not re.match("#(/|$)", reference):
        raise SchemaError(f"$ref {reference!r} is not a path within the schema, such as #/$defs/name")
    found = root
    for part in unquote(reference).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise SchemaError(f"$ref {reference!r} names nothing in the schema")
    return found


def schema_of_member(schema: Schema, name: str) -> object:
    """Return the schema of a property with this name, whether the properties name it or a pattern does."""
    found = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    found += [each for pattern, each in schema.get("patternProperties", {}).items() if finds(pattern, name)]
    if not found:
        return schema.get("additionalProperties", True)
    return found[0] if len(found) == 1 else {"allOf": found}


def schema_of_item(schema: Schema, position: int) -> object:
    """Return the schema of an item. A list of schemas in `items` is how older drafts write `prefixItems`."""
    items = schema.get("items", True)
    prefix = schema.get("prefixItems", items if isinstance(items, list) else ())
    if position < len(prefix):
        return prefix[position]
    return schema.get("additionalItems", True) if isinstance(items, list) else items


class Checker:
    """Checks values against a schema and its parts. `root` is the whole schema, in which references are looked up."""

    def __init__(self, root: object) -> None:
        self._root = root

    def accepts(self, schema: object, value: object) -> bool:
        """Raises `SchemaError`, and what Python raises for a schema that is not one."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise SchemaError(f"a schema must be an object, not {schema!r}")
        types = types_of(schema)
        if types and not any(_TYPES[name](value) for name in types):
            return False
        if "const" in schema and key_of(schema["const"]) != key_of(value):
            return False
        if "enum" in schema and key_of(value) not in map(key_of, schema["enum"]):
            return False
        return self._combined(schema, value) and self._of_type(schema, value)

    def _combined(self, schema: Schema, value: object) -> bool:
        def accepts(part: object) -> bool:
            return self.accepts(part, value)

        if "$ref" in schema and not accepts(resolve(self._root, schema["$ref"])):
            return False
        if "if" in schema and not accepts(schema.get("then" if accepts(schema["if"]) else "else", True)):
            return False
        return (
            all(map(accepts, schema.get("allOf", ())))
            and ("anyOf" not in schema or any(map(accepts, schema["anyOf"])))
            and ("oneOf" not in schema or sum(map(accepts, schema["oneOf"])) == 1)
            and ("not" not in schema or not accepts(schema["not"]))
        )

    def _of_type(self, schema: Schema, value: object) -> bool:
        if isinstance(value, str):
            return _is_within(schema, len(value), "Length") and (
                "pattern" not in schema or finds(schema["pattern"], value)
            )
        if isinstance(value, dict):
            return _is_within(schema, len(value), "Properties") and self._members(schema, value)
        if isinstance(value, list):
            return _is_within(schema, len(value), "Items") and self._items(schema, value)
        if is_number(value):
            return _is_in_range(schema, exact(value))
        return True

    def _members(self, schema: Schema, value: Mapping[str, object]) -> bool:
        required = [*schema.get("required", ())]
        for name, names in schema.get("dependentRequired", {}).items():
            required += names if name in value else ()
        return (
            all(name in value for name in required)
            and all(self.accepts(schema_of_member(schema, name), each) for name, each in value.items())
            and all(self.accepts(schema.get("propertyNames", True), name) for name in value)
            and all(
                self.accepts(each, value) for name, each in schema.get("dependentSchemas", {}).items() if name in value
            )
        )

    def _items(self, schema: Schema, value: list[object]) -> bool:
        if not all(self.accepts(schema_of_item(schema, position), item) for position, item in enumerate(value)):
            return False
        if schema.get("uniqueItems") and len(set(map(key_of, value))) < len(value):
            return False
        found = sum(self.accepts(schema.get("contains", True), item) for item in value)
        least = schema.get("minContains", 1) if "contains" in schema else 0
        return bool(found >= least and ("contains" not in schema or found <= schema.get("maxContains", found)))


def _is_within(schema: Schema, size: int, what: str) -> bool:
    return bool(schema.get(f"min{what}", 0) <= size <= schema.get(f"max{what}", size))


def _is_in_range(schema: Schema, number: Fraction) -> bool:
    low, above, high, below, step = (
        exact(schema[name]) if name in schema else None
        for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
    )
    return (
        (low is None or number >= low)
        and (above is None or number > above)
        and (high is None or number <= high)
        and (below is None or number < below)
        and (step is None or number % step == 0)
    )
