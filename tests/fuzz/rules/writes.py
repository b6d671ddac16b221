"""Statements that write in place: methods, operators, indexed assignment, through any alias."""

from __future__ import annotations

from dataclasses import replace

from ..model import Var, broadcast, overlap
from ..writer import Gen, rule
from .views import basic_key, view_chain

FLOAT_SELF = [
    "neg_()",
    "relu_()",
    "zero_()",
    "sigmoid_()",
    "tanh_()",
    "clamp_(-1.0, 1.0)",
    "abs_()",
    "clamp_(min=0.25)",
    "sin_()",
    "square_()",
    "requires_grad_(False)",
]
FLOAT_SCALAR = [
    "add_({s})",
    "sub_({s})",
    "mul_({s})",
    "div_({s})",
    "fill_({s})",
    "mul_(0.5)",
    "add_({s}, alpha=2)",
]
FLOAT_BINARY = [
    "add_({y})",
    "sub_({y})",
    "mul_({y})",
    "copy_({y})",
    "copy_({y})",
    "div_({y}.abs() + 0.5)",
    "add_({y}, alpha=0.5)",
    "lerp_({y}, 0.25)",
    "addcmul_({y}, {y}, value=0.5)",
    "add_(1.0).mul_({y})",
]
INT_SELF = [
    "neg_()",
    "zero_()",
    "add_(1)",
    "mul_(2)",
    "sub_(3)",
    "fill_(2)",
    "abs_()",
    "clamp_(0, 2)",
]
INT_BINARY = ["add_({y})", "sub_({y})", "copy_({y})", "mul_({y})"]
BOOL_SELF = ["logical_not_()", "fill_(True)", "zero_()"]
BOOL_BINARY = ["logical_and_({y})", "copy_({y})", "logical_or_({y})"]


def target(g: Gen, test=lambda v: True) -> Var | None:
    """A tensor to write to: mostly one that PyTorch lets us write."""

    def wanted(v: Var) -> bool:
        if not test(v):
            return False
        if v.overlapping and not g.r.chance(0.1):
            return False
        if v.inference != g.inference and not g.r.chance(0.05):
            return False
        locked = g.grad_on and v.rg and v.leaf or v.leaf_view and g.grad_on
        return not locked or g.r.chance(0.06)

    return g.any(wanted)


def operand(g: Gen, v: Var, shape, kinds: bool = True) -> Var | None:
    """A tensor that broadcasts to `shape` and may be read while v is written."""

    def allowed(y: Var) -> bool:
        if broadcast(y.shape, shape) != tuple(shape) and not g.r.chance(0.03):
            return False
        if kinds and not (y.dtype == v.dtype or (v.is_float() and y.is_float())):
            return False
        how = overlap(replace(v), y)
        return how in ("none", "same") or (how == "dense" and g.r.chance(0.3))

    return g.any(allowed)


def protected(g: Gen, v: Var, text: str) -> bool:
    """Emit a write; to a leaf that requires grad mostly under no_grad."""
    if v.is_float() and (v.rg and v.leaf or v.leaf_view) and g.grad_on and g.block is None:
        if g.r.chance(0.85):
            return g.emit(f"with torch.no_grad():\n    {text}")
    return g.guard(text)


def writable(g: Gen, dtype_test=lambda v: True, most: int = 2) -> tuple[str, Var, Var] | None:
    """An expression to write through, its model, and the variable it starts from."""
    if g.r.chance(0.12):  # parameters, wrapped or through .data
        x = g.any(lambda v: dtype_test(v) and v.rg and v.leaf and not v.overlapping)
        if x is not None and g.r.chance(0.6):
            root = replace(x, name=f"{x.name}{g.r.pick(['.data', '.data', '.detach()'])}", fam=-1)
            root = replace(root, rg=False, leaf=True)
            text, v = view_chain(g, root, most)
            return text, v, root
    else:
        x = target(g, dtype_test)
    if x is None:
        return None
    text, v = view_chain(g, x, most if g.r.chance(0.4) else 0)
    return text, v, x


def operator_form(g: Gen, text: str, tail: str) -> str:
    """`x += y` for `x.add_(y)`, sometimes."""
    for method, sign in (("add_(", "+="), ("sub_(", "-="), ("mul_(", "*="), ("div_(", "/=")):
        simple = tail.startswith(method) and "alpha" not in tail and tail.count("(") == 1
        if simple and g.r.chance(0.5) and text[-1] != ")":
            return f"{text} {sign} {tail[len(method) : -1]}"
    return f"{text}.{tail}"


@rule("inplace", 24)
def in_place_self(g: Gen) -> bool:
    found = writable(g)
    if found is None:
        return False
    text, v, x = found
    if v.is_float():
        tail = g.r.pick(FLOAT_SELF[:-1] if g.r.chance(0.5) else FLOAT_SCALAR).format(s=g.number())
    else:
        tail = g.r.pick(INT_SELF if v.dtype == "i64" else BOOL_SELF)
        if v.dtype == "i64" and g.r.chance(0.03):
            tail = "add_(0.5)"
    if text.endswith("]") and "+=" in (line := operator_form(g, text, tail)):
        return protected(g, x, line)
    return protected(g, x, operator_form(g, text, tail) if text == x.name else f"{text}.{tail}")


@rule("inplace", 30)
def in_place_operand(g: Gen) -> bool:
    found = writable(g)
    if found is None:
        return False
    text, v, x = found
    y = operand(g, v, v.shape)
    if y is None:
        return False
    if v.is_float():
        tail = g.r.pick(FLOAT_BINARY)
    else:
        tail = g.r.pick(INT_BINARY if v.dtype == "i64" else BOOL_BINARY)
    if "lerp" in tail and y.dtype != v.dtype or "addcmul" in tail and y.dtype != v.dtype:
        tail = "add_({y})"
    tail = tail.format(y=y.name)
    locked = v.is_float() and (x.rg and x.leaf or x.leaf_view) and g.grad_on
    if not locked:
        g.touch(x, [y])
    line = (
        operator_form(g, text, tail) if text == x.name or text.endswith("]") else f"{text}.{tail}"
    )
    return protected(g, x, line)


@rule("inplace", 3)
def copy_to_itself(g: Gen) -> bool:
    x = target(g)
    return False if x is None else protected(g, x, f"{x.name}.copy_({x.name})")


@rule("inplace", 3)
def copy_other_kind(g: Gen) -> bool:
    x = target(g, lambda v: v.dtype != "b1")
    y = (
        g.any(lambda v: broadcast(v.shape, x.shape) == x.shape and v.store != x.store)
        if x
        else None
    )
    if y is None:
        return False
    if x.is_float():
        g.touch(x, [y])
    return protected(g, x, f"{x.name}.copy_({y.name})")


@rule("inplace", 4)
def masked_fill(g: Gen) -> bool:
    x = target(g, Var.is_float)
    if x is None:
        return False
    test = g.r.pick(["{x} > {s}", "{x} == {s}", "{x}.detach() < {s}"]).format(
        x=x.name, s=g.number()
    )
    return protected(g, x, f"{x.name}.masked_fill_({test}, {g.number()})")


@rule("inplace", 4)
def index_add(g: Gen) -> bool:
    x = target(g, lambda v: v.is_float() and v.ndim > 0 and 0 not in v.shape)
    if x is None:
        return False
    rows = [g.r.below(x.shape[0]) for _ in range(2)]
    source = g.literal((2, *x.shape[1:]), x.dtype)
    return protected(g, x, f"{x.name}.index_add_(0, torch.tensor({rows}), {source})")


@rule("inplace", 2)
def scatter(g: Gen) -> bool:
    x = target(g, lambda v: v.is_float() and v.ndim == 2 and 0 not in v.shape)
    if x is None:
        return False
    rows = [[g.r.below(x.shape[0]) for _ in range(x.shape[1])]]
    source = g.literal((1, x.shape[1]), x.dtype)
    form = g.r.pick(["scatter_", "scatter_add_"])
    return protected(g, x, f"{x.name}.{form}(0, torch.tensor({rows}), {source})")


@rule("write", 30)
def assign_basic(g: Gen) -> bool:
    found = writable(g, lambda v: v.ndim > 0, most=1)
    if found is None or not found[1].ndim:
        return False
    text, v, x = found
    key_text, key = basic_key(g, v)
    part = replace(v, idx=v.idx[key])
    return write_value(g, x, f"{text}[{key_text}]", part)


def write_value(g: Gen, x: Var, place: str, part: Var) -> bool:
    """`place = value` or `place op= value` with a number, a literal or a tensor."""
    sign = g.r.weighted(["=", "+=", "*=", "-="], [7, 2, 2, 1])
    if part.dtype == "b1":
        sign = "="
    kind = g.r.weighted(["number", "tensor", "literal"], [5, 5, 2])
    if kind == "tensor":
        y = operand(g, part, part.shape)
        if y is not None:
            if not (x.rg and x.leaf and g.grad_on):
                g.touch(x, [y])
            return protected(g, x, f"{place} {sign} {y.name}")
    if kind == "literal" and part.shape:
        return protected(g, x, f"{place} {sign} {g.literal(part.shape, part.dtype)}")
    number = g.number() if part.is_float() else g.r.pick(["1", "2", "True"])
    if part.dtype == "i64" and number == "True":
        number = "3"
    return protected(g, x, f"{place} {sign} {number}")


@rule("write", 3)
def assign_chained(g: Gen) -> bool:
    x = target(g, lambda v: v.ndim == 2 and 0 not in v.shape and v.is_float())
    if x is None:
        return False
    i, j = g.r.below(x.shape[0]), g.r.below(x.shape[1])
    text = g.r.pick([f"[{i}][{j}]", f"[{i}][:{j + 1}]", f"[{i}, {j}]", f"[:, {j}][{i}]"])
    return protected(g, x, f"{x.name}{text} = {g.number()}")


@rule("write", 9)
def assign_mask(g: Gen) -> bool:
    x = target(g, lambda v: v.ndim > 0 and v.is_float())
    if x is None:
        return False
    form = g.r.below(4)
    if form < 2:
        test = g.r.pick(["{x} > {s}", "{x} < {s}", "{x}.abs() >= {s}"]).format(
            x=x.name, s=g.number()
        )
    elif form == 2:
        m = g.any(lambda v: v.dtype == "b1" and v.shape == x.shape)
        test = m.name if m else f"torch.tensor({g.numbers(x.shape, 'b1')})"
    else:
        test = f"{x.name}.sum({x.ndim - 1}) > {g.number()}" if x.ndim > 1 else f"{x.name} != 0.0"
    sign = g.r.weighted(["=", "*=", "+="], [6, 2, 1])
    return protected(g, x, f"{x.name}[{test}] {sign} {g.number()}")


@rule("write", 9)
def assign_indices(g: Gen) -> bool:
    x = target(g, lambda v: v.ndim > 0 and v.shape[0] > 0 and v.dtype != "b1")
    if x is None:
        return False
    rows = g.r.shuffled(range(x.shape[0]))[: g.r.between(1, 3)]
    if g.r.chance(0.3):
        rows = [i - x.shape[0] for i in rows]
    if g.r.chance(0.06):
        rows = [x.shape[0] + 1]
    key = str(rows) if g.r.chance(0.6) else f"torch.tensor({rows})"
    if g.r.chance(0.1) and x.ndim > 1:
        key = f"..., {[0]}" if x.shape[-1] else key
        return protected(g, x, f"{x.name}[{key}] = {g.number() if x.is_float() else 2}")
    sign = g.r.weighted(["=", "+=", "*="], [6, 2, 1])
    number = g.number() if x.is_float() else "2"
    if g.r.chance(0.4):
        return protected(g, x, f"{x.name}[{key}] {sign} {number}")
    y = operand(g, x, (len(rows), *x.shape[1:]))
    if y is None or overlap(x, y) != "none" or y.dtype != x.dtype:
        value = g.literal((len(rows), *x.shape[1:]), x.dtype)
    else:
        value = y.name
        if not (x.rg and x.leaf and g.grad_on):
            g.touch(x, [y])
    return protected(g, x, f"{x.name}[{key}] {sign} {value}")


@rule("write", 3)
def assign_pairs(g: Gen) -> bool:
    x = target(g, lambda v: v.ndim == 2 and 0 not in v.shape and v.is_float())
    if x is None:
        return False
    rows = g.r.shuffled(range(x.shape[0]))[:2]
    columns = [g.r.below(x.shape[1]) for _ in rows]
    if g.r.chance(0.3):
        labels = [g.r.below(x.shape[1]) for _ in range(x.shape[0])]
        place = f"{x.name}[torch.arange({x.shape[0]}), torch.tensor({labels})]"
    else:
        place = f"{x.name}[{rows}, {columns}]"
    return protected(g, x, f"{place} {g.r.pick(['=', '+='])} {g.number()}")


@rule("write", 3)
def assign_loop(g: Gen) -> bool:
    x = target(g, lambda v: v.ndim > 0 and v.is_float() and 0 not in v.shape)
    if x is None:
        return False
    n = x.shape[0]
    body = g.r.pick(
        [
            "{x}[i] = {x}[i - 1] + 1.0",
            "{x}[i] *= 0.5 * i",
            "{x}[i] = i",
            "{x}[i:] -= 0.25",
            "{x}[i] = {x}[i].sum() * 0.25",
            "{x}[i].add_(i)",
        ]
    ).format(x=x.name)
    start = 1 if "i - 1" in body else 0
    return protected_block(g, x, f"for i in range({start}, {n}):\n    {body}")


def protected_block(g: Gen, x: Var, text: str) -> bool:
    """A compound write; leaves and views of leaves under no_grad."""
    if g.block is not None:
        return False
    if (x.rg and x.leaf or x.leaf_view) and g.grad_on:
        text = "with torch.no_grad():\n    " + text.replace("\n", "\n    ")
    return g.emit(text)


@rule("error", 5)
def wrong_index(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0)
    if x is None:
        return False
    n = x.shape[0]
    form = g.r.pick(
        [
            "see({x}[{n}])",
            "{x}[{n}] = 1",
            "see({x}.select(0, {n}))",
            "see({x}[[{n}]])",
            "see({x}.sum(dim={d}))",
            "see({x}.narrow(0, 1, {n}))",
            "see({x}.view(7, 11))",
            "see({x}.transpose(0, {d}))",
            "{x}[-{n} - 1] = 2",
            "see({x}.reshape(-1, 13))",
            "see({x}[{keys}])",
            "see({x}.unsqueeze(9))",
            "see({x}.permute(0, 0, 0))",
        ]
    )
    keys = ", ".join(["0"] * (x.ndim + 1))
    return g.guard(form.format(x=x.name, n=n, d=x.ndim, keys=keys))


@rule("error", 3)
def wrong_operands(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0)
    y = g.any(lambda v: broadcast(v.shape, x.shape) is None) if x else None
    if y is None:
        return False
    form = g.r.pick(
        [
            "see({x} + {y})",
            "{x}.add_({y})",
            "{x}.copy_({y})",
            "see({x} * {y})",
            "{x} -= {y}",
            "{x}[...] = {y}",
            "see({x}.expand({y}.shape))",
            "see(torch.maximum({x}, {y}))",
        ]
    )
    return g.guard(form.format(x=x.name, y=y.name))


@rule("error", 2)
def wrong_product(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim == 2 and v.is_float())
    y = g.any(lambda v: v.ndim == 2 and v.is_float() and v.shape[0] != x.shape[1]) if x else None
    return False if y is None else g.guard(f"see({x.name} @ {y.name})")


@rule("error", 2)
def wrong_truth(g: Gen) -> bool:
    x = g.any(lambda v: v.size != 1)
    if x is None:
        return False
    return g.guard(
        g.r.pick(["note(bool({x}))", "note({x}.item())", "note(float({x}))"]).format(x=x.name)
    )


@rule("error", 2)
def wrong_dtype(g: Gen) -> bool:
    x = g.any(lambda v: v.dtype in ("i64", "b1"))
    if x is None:
        return False
    form = g.r.pick(
        ["{x}.add_(0.5)", "{x}.requires_grad_()", "see({x}.mean())", "{x} /= 2", "see(-{x})"]
    )
    return g.guard(form.format(x=x.name))
