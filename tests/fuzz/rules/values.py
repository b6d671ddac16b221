"""Statements that make new values: creation, elementwise operations, reductions, products."""

from __future__ import annotations

from ..model import FLOATS, TORCH_DTYPE, Var, broadcast, contiguous, promote, result_layout
from ..writer import Gen, rule

FLOAT_UNARY = [
    "-{x}",
    "{x}.abs()",
    "{x}.relu()",
    "torch.relu({x})",
    "{x}.sigmoid()",
    "torch.tanh({x})",
    "{x}.tanh().exp()",
    "{x}.sin()",
    "torch.cos({x})",
    "({x}.abs() + 0.5).sqrt()",
    "torch.log({x}.abs() + 0.5)",
    "{x}.square()",
    "{x} ** 2",
    "{x} ** 3",
    "{x}.clamp(-1.0, 1.0)",
    "torch.clamp({x}, min=0.25)",
    "{x}.clone()",
    "1.0 / ({x}.abs() + 0.5)",
    "F.softplus({x})",
    "F.leaky_relu({x}, 0.1)",
    "torch.where({x} > {s}, {x}, {x} * 0.5)",
    "torch.zeros_like({x})",
    "torch.ones_like({x})",
    "{x}.floor()",
    "{x}.sign()",
    "({x}.abs() + 0.25).rsqrt()",
    "torch.full_like({x}, {s})",
    "{x}.masked_fill({x} > {s}, {s})",
    "F.gelu({x})",
    "F.elu({x})",
    "{x}.clone().detach()",
    "F.silu({x})",
    "torch.expm1({x}.tanh())",
    "torch.erf({x})",
]
SCALAR = [
    "{x} + {s}",
    "{x} - {s}",
    "{s} - {x}",
    "{x} * {s}",
    "{s} * {x}",
    "{x} / {s}",
    "torch.add({x}, {s})",
    "{x}.mul({s})",
    "{x}.sub({s}, alpha=2)",
]
BINARY = [
    "{x} + {y}",
    "{x} - {y}",
    "{x} * {y}",
    "{x} * {y}",
    "{x} / ({y}.abs() + 0.5)",
    "torch.maximum({x}, {y})",
    "torch.minimum({x}, {y})",
    "torch.add({x}, {y}, alpha=0.5)",
    "torch.where({x} > {y}, {x}, {y})",
    "{x}.mul({y})",
    "{x}.lerp({y}, 0.25)",
    "torch.addcmul({x}, {x}, {y}, value=0.5)",
]
COMPARE = ["{x} > {y}", "{x} <= {y}", "{x} == {y}", "{x} != {y}", "torch.lt({x}, {y})"]
INT_UNARY = [
    "-{x}",
    "{x}.abs()",
    "{x} * 2",
    "{x} + 1",
    "3 - {x}",
    "{x} // 2",
    "{x} % 3",
    "{x}.clone()",
]
INT_BINARY = ["{x} + {y}", "{x} - {y}", "{x} * {y}", "torch.maximum({x}, {y})"]
BOOL_UNARY = ["~{x}", "{x}.clone()", "torch.logical_not({x})"]
BOOL_BINARY = ["{x} & {y}", "{x} | {y}", "{x} ^ {y}", "torch.logical_and({x}, {y})"]
CASTS = [
    "{x}.double()",
    "{x}.float()",
    "{x}.to(torch.float64)",
    "{x}.long()",
    "{x} > 0",
    "{x}.bool()",
]
CAST_DTYPES = ["f64", "f32", "f64", "i64", "b1", "b1"]


def result_dtype(*operands: Var) -> str:
    """PyTorch's promotion: tensors without dimensions count only when their kind is higher."""

    def rank(d: str) -> int:
        return {"b1": 0, "i64": 1}.get(d, 2)

    dims = [v.dtype for v in operands if v.ndim]
    zero = [v.dtype for v in operands if not v.ndim]
    if not dims or max((rank(d) for d in zero), default=-1) > max(map(rank, dims)):
        return promote(*dims, *zero)
    return promote(*dims)


def partner(g: Gen, x: Var, same_kind: bool = True) -> Var | None:
    """A tensor that broadcasts with x."""
    return g.any(
        lambda v: (
            broadcast(v.shape, x.shape) is not None
            and v.size * x.size < 900
            and (not same_kind or v.is_float() == x.is_float() and v.dtype[0] == x.dtype[0])
        )
    )


def elementwise(g: Gen, text: str, shape, dtype: str, sources: list[Var]) -> bool:
    """Bind an elementwise result, laid out as PyTorch would."""
    idx, sure = result_layout(shape, sources)
    return g.bind(text, g.fresh(shape, dtype, sources, idx=idx, sure=sure))


@rule("create", 30)
def create(g: Gen) -> bool:
    dtype = g.r.weighted([g.float_dtype(), "i64", "b1"], [16, 3, 1])
    shape = g.shape()
    v = g.fresh(shape, dtype)
    if dtype in FLOATS and g.r.chance(0.35):
        v.rg, v.leaf = True, True
        if g.r.chance(0.5):
            return g.bind(g.literal(shape, dtype, ", requires_grad=True"), v)
        return g.bind(g.literal(shape, dtype) + ".requires_grad_()", v)
    return g.bind(g.literal(shape, dtype), v)


@rule("create", 8)
def create_filled(g: Gen) -> bool:
    dtype = g.float_dtype()
    shape = g.shape()
    size = ", ".join(map(str, shape)) if shape and g.r.chance(0.5) else str(tuple(shape))
    kind = g.r.pick(["zeros", "ones", "full"])
    if kind == "full":
        text = f"torch.full({tuple(shape)}, {g.number()}, dtype={TORCH_DTYPE[dtype]})"
    else:
        text = f"torch.{kind}({size}, dtype={TORCH_DTYPE[dtype]})"
    return g.bind(text, g.fresh(shape, dtype))


@rule("create", 4)
def create_range(g: Gen) -> bool:
    n = g.r.between(1, 6)
    if g.r.chance(0.5):
        return g.bind(f"torch.arange({n})", g.fresh((n,), "i64"))
    dtype = g.float_dtype()
    a, b = g.r.between(1, 3), g.r.between(1, 3)
    text = f"torch.arange({a * b}, dtype={TORCH_DTYPE[dtype]}).reshape({a}, {b})"
    v = g.fresh((a, b), dtype)
    return g.bind(text, v)


@rule("create", 3)
def create_eye(g: Gen) -> bool:
    n, dtype = g.r.between(1, 3), g.float_dtype()
    return g.bind(f"torch.eye({n}, dtype={TORCH_DTYPE[dtype]})", g.fresh((n, n), dtype))


@rule("value", 20)
def unary(g: Gen) -> bool:
    x = g.any_float() if g.r.chance(0.85) else g.any()
    if x is None:
        return False
    pool = {"i64": INT_UNARY, "b1": BOOL_UNARY}.get(x.dtype, FLOAT_UNARY)
    text = g.r.pick(pool).format(x=x.name, s=g.number())
    v_source = [] if "_like" in text or "detach" in text or "floor" in text else [x]
    if "zeros_like" in text or "ones_like" in text or "full_like" in text or "detach" in text:
        idx, sure = result_layout(x.shape, [x])
        return g.bind(text, g.fresh(x.shape, x.dtype, v_source, idx=idx, sure=sure))
    return elementwise(g, text, x.shape, x.dtype, [x])


@rule("value", 12)
def scalar(g: Gen) -> bool:
    x = g.any_float()
    if x is None:
        return False
    return elementwise(g, g.r.pick(SCALAR).format(x=x.name, s=g.number()), x.shape, x.dtype, [x])


@rule("value", 22)
def binary(g: Gen) -> bool:
    x = g.any_float() if g.r.chance(0.85) else g.any()
    y = partner(g, x) if x else None
    if y is None:
        return False
    pool = {"i64": INT_BINARY, "b1": BOOL_BINARY}.get(x.dtype, BINARY)
    text = g.r.pick(pool).format(x=x.name, y=y.name)
    if "lerp" in text and x.dtype != y.dtype and g.r.chance(0.8):
        return False
    return elementwise(g, text, broadcast(x.shape, y.shape), result_dtype(x, y), [x, y])


@rule("value", 4)
def mixed_kinds(g: Gen) -> bool:
    x, y = g.any(lambda v: v.dtype != "b1"), g.any()
    shape = broadcast(x.shape, y.shape) if x and y else None
    if shape is None:
        return False
    op = g.r.pick(["+", "*"])
    return elementwise(g, f"{x.name} {op} {y.name}", shape, result_dtype(x, y), [x, y])


@rule("value", 4)
def compare(g: Gen) -> bool:
    x = g.any()
    y = partner(g, x) if x else None
    if y is None:
        return False
    if g.r.chance(0.5):
        text, shape = g.r.pick(COMPARE).format(x=x.name, y=g.number()), x.shape
        return g.bind(text, g.fresh(shape, "b1", [], sure=contiguous(x)))
    text, shape = g.r.pick(COMPARE).format(x=x.name, y=y.name), broadcast(x.shape, y.shape)
    return g.bind(text, g.fresh(shape, "b1", [], sure=contiguous(x) and contiguous(y)))


@rule("value", 4)
def cast(g: Gen) -> bool:
    x = g.any()
    if x is None:
        return False
    k = g.r.below(len(CASTS))
    dtype = CAST_DTYPES[k]
    if dtype in FLOATS and dtype != x.dtype and g.world != "both":
        return False
    text = CASTS[k].format(x=x.name)
    if dtype == x.dtype and " > " not in text:  # the tensor itself
        return g.bind(text, x.renamed(g.name()))
    return elementwise(g, text, x.shape, dtype, [x])


@rule("value", 3)
def stacked(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0)
    y = g.any(lambda v: v.shape == x.shape and v.dtype == x.dtype) if x else None
    if y is None:
        return False
    d = g.r.below(x.ndim)
    if g.r.chance(0.5):
        shape = (*x.shape[:d], 2, *x.shape[d:])
        text = f"torch.stack([{x.name}, {y.name}], dim={d})"
    else:
        shape = (*x.shape[:d], 2 * x.shape[d], *x.shape[d + 1 :])
        text = f"torch.cat([{x.name}, {y.name}], {d})"
    if max(shape) > 8:
        return False
    sure = contiguous(x) and contiguous(y)
    return g.bind(text, g.fresh(shape, x.dtype, [x, y], sure=sure))


@rule("reduce", 10)
def reduce_all(g: Gen) -> bool:
    x = g.any_float() if g.r.chance(0.8) else g.any(lambda v: v.dtype == "i64")
    if x is None:
        return False
    if x.is_float():
        tail = g.r.pick(
            ["sum", "mean", "max", "min", "prod", "sum", "norm", "amax", "var", "argmax"]
        )
    else:
        tail = g.r.pick(["sum", "max", "min", "argmin"])
    if x.size == 0 and tail not in ("sum", "prod"):
        tail = "sum"
    dtype = "i64" if tail.startswith("arg") else x.dtype
    extra = "unbiased=False" if tail == "var" else ""
    sources = [] if dtype == "i64" else [x]
    return g.bind(f"{x.name}.{tail}({extra})", g.fresh((), dtype, sources))


@rule("reduce", 10)
def reduce_dim(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.ndim > 0)
    if x is None:
        return False
    d = g.r.below(x.ndim)
    dim = d if g.r.chance(0.5) else d - x.ndim
    keep = g.r.chance(0.4)
    tail = g.r.pick(["sum", "mean", "sum", "amax", "logsumexp", "prod", "argmax", "max", "min"])
    if x.shape[d] == 0 and tail != "prod":
        tail = "sum"
    name = x.name
    text = f"{name}.{tail}({dim}, keepdim=True)" if keep else f"{name}.{tail}(dim={dim})"
    if tail in ("max", "min"):
        text += g.r.pick([".values", "[0]"])
    shape = (*x.shape[:d], *((1,) if keep else ()), *x.shape[d + 1 :])
    dtype = "i64" if tail == "argmax" else x.dtype
    return g.bind(text, g.fresh(shape, dtype, [x], sure=contiguous(x)))


@rule("reduce", 5)
def scan(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.ndim > 0)
    if x is None:
        return False
    d = g.r.between(-x.ndim, x.ndim - 1)
    text = g.r.pick(
        ["{x}.cumsum({d})", "torch.softmax({x}, dim={d})", "F.log_softmax({x}, dim={d})"]
    )
    sure = contiguous(x)
    return g.bind(text.format(x=x.name, d=d), g.fresh(x.shape, x.dtype, [x], sure=sure))


@rule("reduce", 4)
def reduce_bool(g: Gen) -> bool:
    x = g.any()
    if x is None:
        return False
    test = f"({x.name} > {g.number()})"
    if g.r.chance(0.5):
        return g.bind(test + g.r.pick([".any()", ".all()"]), g.fresh((), "b1"))
    return g.bind(test + ".sum()", g.fresh((), "i64"))


@rule("matmul", 10)
def product(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and 1 <= v.ndim <= 3)
    if x is None:
        return False
    k = x.shape[-1]
    y = g.any(
        lambda v: v.dtype == x.dtype and 1 <= v.ndim <= 2 and v.shape[max(0, v.ndim - 2)] == k
    )
    turn = ""
    if y is None or g.r.chance(0.3):
        z = g.any(lambda v: v.dtype == x.dtype and v.ndim == 2 and v.shape[1] == k)
        if z is not None:
            y, turn = z, g.r.pick([".T", ".t()", ".mT"])
    if y is None:
        return False
    cols = y.shape[0] if turn else y.shape[-1]
    shape = x.shape[:-1] + ((cols,) if y.ndim == 2 else ())
    form = g.r.pick(["{x} @ {y}", "torch.matmul({x}, {y})"])
    if x.ndim == 2 and y.ndim == 2 and g.r.chance(0.4):
        form = "torch.mm({x}, {y})"
    v = g.fresh(shape, x.dtype, [x, y], sure=x.ndim <= 2)
    return g.bind(form.format(x=x.name, y=y.name + turn), v)


@rule("matmul", 4)
def linear(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.ndim == 2)
    w = (
        g.any(lambda v: v.dtype == x.dtype and v.ndim == 2 and v.shape[1] == x.shape[1])
        if x
        else None
    )
    if w is None:
        return False
    b = g.any(lambda v: v.dtype == x.dtype and v.shape == (w.shape[0],))
    bias = f", {b.name}" if b else ""
    sources = [x, w] + ([b] if b else [])
    v = g.fresh((x.shape[0], w.shape[0]), x.dtype, sources, linear=True)
    return g.bind(f"F.linear({x.name}, {w.name}{bias})", v)


@rule("matmul", 3)
def batched(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.ndim == 3)
    if x is None:
        return False
    v = g.fresh((x.shape[0], x.shape[1], x.shape[1]), x.dtype, [x])
    return g.bind(f"torch.bmm({x.name}, {x.name}.transpose(1, 2))", v)


@rule("read", 10)
def read_indices(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0 and v.shape[0] > 0)
    if x is None:
        return False
    n = x.shape[0]
    rows = [g.r.below(2 * n) - n for _ in range(g.r.between(1, 3))]
    if g.r.chance(0.08):
        rows[0] = n + g.r.below(3)
    key = str(rows) if g.r.chance(0.5) else f"torch.tensor({rows})"
    if g.r.chance(0.25) and x.ndim > 1 and x.shape[1] > 0:
        columns = [g.r.below(x.shape[1]) for _ in rows]
        shape = (len(rows), *x.shape[2:])
        v = g.fresh(shape, x.dtype, [x], sure=False)
        return g.bind(f"{x.name}[{rows}, {columns}]", v)
    v = g.fresh((len(rows), *x.shape[1:]), x.dtype, [x], sure=contiguous(x))
    return g.bind(f"{x.name}[{key}]", v)


@rule("read", 6)
def read_mask(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0 and v.dtype != "b1")
    if x is None:
        return False
    g.counter += 1
    return g.guard(f"note({x.name}[{x.name} > {g.number()}].tolist())")


@rule("read", 4)
def read_gather(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.ndim == 2 and 0 not in v.shape)
    if x is None:
        return False
    d = g.r.below(2)
    rows = [[g.r.below(x.shape[d]) for _ in range(x.shape[1])] for _ in range(x.shape[0])]
    v = g.fresh(x.shape, x.dtype, [x], sure=contiguous(x))
    if g.r.chance(0.6):
        return g.bind(f"{x.name}.gather({d}, torch.tensor({rows}))", v)
    w = g.fresh((2, x.shape[1]), x.dtype, [x], sure=contiguous(x))
    picks = [g.r.below(x.shape[0]) for _ in range(2)]
    return g.bind(f"{x.name}.index_select(0, torch.tensor({picks}))", w)
