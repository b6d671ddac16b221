"""Values moved as they are: copies and casts."""

from __future__ import annotations

from nacre.base.dtypes import bool_, dtype, float32, float64, int32, int64, uint8
from nacre.base.errors import fail
from nacre.base.shapes import broadcast_shapes
from nacre.ir.node import meta_of
from nacre.ops.record import Operation
from nacre.ops.rules import preserved_meta
from nacre.ops.samples import MAKERS, f32, f64, i64, refused, sample, unary, unequal_sizes


def _clone_infer(attrs, x):
    if attrs is not None:
        return meta_of(x.shape, x.dtype, attrs, x.device)
    return preserved_meta(x.dtype, x)


def _clone_samples():
    turned = [sample(f32(3, 2, layout=layout)) for layout in ("turned", "expanded", "step")]
    return unary()() + [s.by("Tensor.contiguous") for s in turned]


clone = Operation(
    "clone",
    _clone_infer,
    lambda attrs, meta, x: x,
    lambda ctx, g: (g,),
    exact=True,
    scalar=lambda e, x: x,
    torch=("torch.clone", "Tensor.clone", "Tensor.contiguous"),
    samples=_clone_samples,
)


def _copy_samples():
    return [
        sample(f32(2, 3), f32(2, 3)),
        sample(f32(2, 3), f32(3)),
        sample(f32(3, 2, layout="turned"), f64(3, 1)),
        sample(f32(2, 3, layout="step"), f32()),
        sample(f32(1), f32()),
        sample(f32(0, 3), f32(3)),
        sample(i64(3), f32(3)).rough(),
        sample(MAKERS["uint8"](3), i64(3, low=0, high=9)),
        sample(MAKERS["bool"](3), f32(data=(0.0, 0.5, -1.0))),
        sample(f64(3), MAKERS["bool"](3)),
    ]


def _copy_errors():
    words = "output with shape [3] doesn't match the broadcast shape [2, 3]"
    return [*unequal_sizes(), refused(RuntimeError, words, f32(3), f32(2, 3))]


def _copy_infer(attrs, x):
    """The destination's Meta, which the source must broadcast to."""
    if x.shape != attrs.shape:
        shape = broadcast_shapes(attrs.shape, x.shape)
        if shape != attrs.shape:
            fail(
                RuntimeError,
                f"output with shape {list(attrs.shape)} doesn't match the broadcast shape "
                f"{list(shape)}",
            )
    return attrs


copy = Operation(
    "copy",
    _copy_infer,
    lambda attrs, meta, x: x,
    lambda ctx, g: (g,),
    grad_name="CopyBackwards",
    exact=True,
    scalar=lambda e, x: x,
    compute=lambda attrs, out, x: out,
    torch=("Tensor.copy_",),
    samples=_copy_samples,
    errors=_copy_errors,
)

_TYPES = (float32, float64, int64, int32, uint8, bool_)


def _cast_samples():
    found = []
    for given in _TYPES:
        x = MAKERS[given.name](2, 3)
        if given in (int64, int32) or given.is_floating_point:
            x = MAKERS[given.name](2, 3, low=1, high=7)
        others = [wanted for wanted in _TYPES if wanted is not given]
        found += [sample(x, wanted).by("Tensor.to", "Tensor.type") for wanted in others]
    turned = f32(3, 2, layout="turned")
    found += [sample(x, float64).by("Tensor.to") for x in (f32(), f32(0, 2), turned)]
    found += [sample(f32(data=(0.0, -0.0, float("nan"), 2.5)), bool_).by("Tensor.to")]
    found += [sample(i64(3), f32(3)).by("Tensor.type_as")]
    methods = {"float": i64, "double": f32, "long": f32, "int": f32, "byte": f32, "bool": f32}
    for method, maker in methods.items():
        found.append(sample(maker(3, low=1, high=7)).by(f"Tensor.{method}"))
    return found


to_copy = Operation(
    "cast",
    preserved_meta,
    lambda attrs, meta, x: x,
    lambda ctx, g: (g,),
    grad_name="ToCopyBackward0",
    exact=True,
    scalar=lambda e, x: x,
    compute=lambda attrs, out, x: out,
    torch=("Tensor.to", "Tensor.type", "Tensor.type_as", "Tensor.float", "Tensor.double",
           "Tensor.long", "Tensor.int", "Tensor.byte", "Tensor.bool"),
    samples=_cast_samples,
)  # fmt: skip


def cast(x, to: dtype):
    """x with another element type; x itself if it has that type."""
    return x if x._m.dtype is to else to_copy(x, attrs=to)
