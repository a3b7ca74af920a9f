"""Turns the values that untrusted code left behind into JSON: strictly for results, descriptively for people."""

import sys

LARGEST_INTEGER = 1 << 53
DEEPEST_OUTPUT = 100
LONGEST_MESSAGE = 2000
DEEPEST_LOCALS = 6
MOST_ITEMS = 200
MOST_NODES = 2000
LONGEST_TEXT = 10_000
MOST_TEXT = 200_000
MOST_ARRAY_ITEMS = 1000


class NotJson(Exception):
    """A value has no place in JSON; the text says which and why."""


def to_strict_json(value, path, depth=0):
    """The value as JSON would have it, or NotJson naming the way to what JSON has no place for. `path` is the name
    of the variable, or a pair (path of the container, key or index), put into words only when needed."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return strict_integer(int(value), path)
    if isinstance(value, float):
        return strict_float(float(value), path)
    if depth == DEEPEST_OUTPUT:
        raise NotJson("%s is nested deeper than %d levels, or contains itself." % (spell(path), DEEPEST_OUTPUT))
    if isinstance(value, dict):
        return {strict_key(key, path): to_strict_json(item, (path, key), depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_strict_json(item, (path, index), depth + 1) for index, item in enumerate(value)]
    return strict_numpy(value, path, depth)


def strict_integer(number, path):
    if not -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
        raise NotJson("%s is an integer beyond 2^53, which readers of JSON would round." % spell(path))
    return number


def strict_float(number, path):
    if number - number != 0:
        raise NotJson("%s is %s, which JSON cannot hold." % (spell(path), number))
    return number


def strict_key(key, path):
    if not isinstance(key, str):
        raise NotJson("%s has a key of type %s; keys of JSON are text." % (spell(path), type(key).__name__))
    return str.__str__(key)


def strict_numpy(value, path, depth):
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        plain = value.tolist()
        if type(plain) is not type(value):
            return to_strict_json(plain, path, depth + 1)
    raise NotJson("%s is of type %s, which JSON cannot hold." % (spell(path), type(value).__name__))


def safe_text(value, convert):
    """str() or repr() of a value that may fight back."""
    try:
        return str.__str__(convert(value))[:LONGEST_MESSAGE]
    except BaseException:
        return "<cannot be shown>"


def spell(path):
    steps = []
    while isinstance(path, tuple):
        path, step = path
        steps.append("[%s]" % safe_text(step, repr)[:60])
    steps.reverse()
    text = path + "".join(steps)
    # Left out are whole steps: of one without its beginning nobody could tell that it is the end of a secret.
    return text if len(text) <= 300 else path + "".join(steps[:2]) + " … " + "".join(steps[-2:])


def describe_variables(namespace, given):
    """Every variable the code left, but not modules, names like __this__, or the given ones that it left alone."""
    description = Description()
    variables = {}
    for name in list(namespace):
        value = namespace[name]
        if type(name) is not str or (name.startswith("__") and name.endswith("__")) or type(value) is type(sys):
            continue
        if name in given and value is given[name]:
            continue
        if len(variables) == MOST_ITEMS or description.is_spent():
            break
        variables[name[:200]] = description.describe(value)
    return variables


class Description:
    """Describes values for a reader: exact built-in types as JSON, everything else as {"$type", "repr"}.
    Bounded in depth, items, nodes and text, so that no variable can fill the frame."""

    def __init__(self):
        self.nodes = 0
        self.text = 0

    def is_spent(self):
        return self.nodes >= MOST_NODES or self.text >= MOST_TEXT

    def describe(self, value, depth=0):
        self.nodes += 1
        kind = type(value)
        if value is None or kind is bool or (kind is int and abs(value) <= LARGEST_INTEGER):
            return value
        if kind is float and value - value == 0:
            return value
        if kind is str and len(value) <= LONGEST_TEXT:
            return self.spend(value)
        if depth < DEEPEST_LOCALS and not self.is_spent():
            if kind is list or kind is tuple:
                return self.describe_items(value, depth)
            if kind is dict and all(type(key) is str for key in value):
                return self.describe_entries(value, depth)
            if is_plain_array(value):
                return self.describe_array(value)
        return self.describe_other(value)

    def describe_items(self, value, depth):
        described = []
        for item in value[:MOST_ITEMS]:
            if self.is_spent():
                break
            described.append(self.describe(item, depth + 1))
        return described + self.mark_missing(len(value) - len(described))

    def describe_entries(self, value, depth):
        described = {}
        for key in list(value)[:MOST_ITEMS]:
            if self.is_spent():
                break
            described[self.spend(key[:200])] = self.describe(value[key], depth + 1)
        for missing in self.mark_missing(len(value) - len(described)):
            described["..."] = missing
        return described

    def mark_missing(self, count):
        return [{"$type": "truncated", "repr": "%d more" % count}] if count > 0 else []

    def describe_array(self, value):
        description = {"$type": "ndarray", "shape": list(value.shape), "dtype": str(value.dtype)}
        if value.size <= MOST_ARRAY_ITEMS:
            description["data"] = self.describe_numbers(value.tolist())
        return description

    def describe_numbers(self, value):
        if type(value) is list:
            return [self.describe_numbers(item) for item in value]
        return self.describe(value, DEEPEST_LOCALS)

    def describe_other(self, value):
        return {"$type": type(value).__name__[:200], "repr": self.spend(self.repr_of(value))}

    def repr_of(self, value):
        kind = type(value)
        if kind is str or kind is bytes or kind is bytearray:
            return repr(value[:LONGEST_TEXT])
        if kind is int:
            return "an integer of %d bits" % value.bit_length() if value.bit_length() > 14_000 else repr(value)
        if self.is_spent() or kind in (list, tuple, dict, set, frozenset) and len(value) > MOST_ITEMS:
            return "<%s>" % kind.__name__
        return safe_text(value, repr)

    def spend(self, text):
        kept = text[: max(0, min(LONGEST_TEXT, MOST_TEXT - self.text))]
        self.text += len(kept)
        return kept


def is_plain_array(value):
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is getattr(numpy, "ndarray", None)
