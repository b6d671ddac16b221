"""Samples of views: what `ops/view.py` must get right and what it must refuse."""

from __future__ import annotations

from nacre.ops.samples import Array, b1, f32, f64, i64, refused, sample


def _layouts(*shape) -> list[Array]:
    return [f32(*shape), f64(*shape, layout="turned"), f32(*shape, layout="step")]


def reshape() -> list:
    """Of view and reshape."""
    by_view = ("Tensor.view", "torch.reshape", "Tensor.reshape")
    return [
        sample(f32(2, 3), (3, 2)).by(*by_view),
        sample(f32(2, 3), (-1,)).by(*by_view),
        sample(f64(2, 3), (2, 1, 3)).by(*by_view),
        sample(f32(), (1, 1)).by(*by_view),
        sample(f32(1), ()).by(*by_view),
        sample(f32(0, 3), (3, 0)).by(*by_view),
        sample(f32(0, 3), (0, 4, 2)).by(*by_view),
        sample(f32(4, 2, layout="turned"), (2, 2, 2)).by("Tensor.view"),
        sample(f32(2, 3, layout="step"), (2, 3, 1)).by("Tensor.view"),
        sample(f32(2, 3, 4), 1).by("torch.flatten", "Tensor.flatten"),
        sample(f32(2, 6), 1, (2, 3)).by("Tensor.unflatten"),
        sample(i64(2, 3), 6).by("Tensor.view"),
    ]


def reshape_errors() -> list:
    """Of view and reshape."""
    turned = f32(2, 3, layout="turned")
    words = "view size is not compatible with input tensor's size and stride"
    both = [
        refused(RuntimeError, "shape '[4]' is invalid for input of size 6", f32(2, 3), (4,)),
        refused(RuntimeError, "shape '[4, -1]' is invalid for input of", f32(2, 3), (4, -1)),
        refused(RuntimeError, "only one dimension can be inferred", f32(2, 3), (-1, -1)),
        refused(RuntimeError, "invalid shape dimension -2", f32(2, 3), (-2, 3)),
        refused(RuntimeError, "cannot reshape tensor of 0 elements", f32(0, 3), (0, -1)),
    ]
    return [
        *[s.only("Tensor.view", "torch.reshape") for s in both],
        refused(RuntimeError, words, turned, (6,)).only("Tensor.view"),
        refused(RuntimeError, "start_dim cannot come after end_dim", f32(2, 3), 1, 0).only(
            "torch.flatten"
        ),
    ]


def strided_reshape() -> list:
    """Of a reshape that is a view of memory in another order."""
    return [
        sample(f32(4, 2, layout="turned"), (2, 2, 2)),
        sample(f64(2, 3, layout="step"), (2, 3, 1)),
        sample(f32(2, 3, layout="step"), (-1,)),
        sample(f32(2, 3, layout="turned"), (2, 3)),
    ]


def copied() -> list:
    """Of a reshape that must copy."""
    return [
        sample(f32(2, 3, layout="turned"), (6,)),
        sample(f64(2, 3, 2, layout="turned"), (3, 4)),
        sample(f32(3, 2, layout="expanded"), (6,)),
    ]


def permute() -> list:
    """Of permute."""
    return [
        sample(f32(2, 3, 4), (2, 0, 1)),
        sample(f64(2, 3), (1, 0)),
        sample(f32(2, 3, 1, layout="turned"), (0, -1, 1)),
        sample(f32(), ()),
        sample(f32(0, 2), (1, 0)),
        sample(i64(2, 3), (-1, 0)),
        sample(f32(2, 3, 4), 0, 2).by("torch.movedim"),
        sample(f32(2, 3)).by("Tensor.T"),
    ]


def permute_errors() -> list:
    """Of permute."""
    lengths = "number of dimensions in the tensor input does not match the length of the desired"
    return [
        refused(RuntimeError, lengths, f32(2, 3), (0,)),
        refused(RuntimeError, "duplicate dims are not allowed", f32(2, 3), (0, 0)),
        refused(IndexError, "Dimension out of range", f32(2, 3), (0, 2)),
    ]


def transpose() -> list:
    """Of transpose."""
    found = [sample(x, 0, 1) for x in _layouts(2, 3)]
    return [
        *found,
        sample(f32(2, 3, 4), -1, 1),
        sample(f32(), 0, 0),
        sample(b1(2, 2), 1, 0),
        sample(f32(2, 3, 4)).by("Tensor.mT"),
    ]


def transpose_errors() -> list:
    """Of transpose."""
    return [refused(IndexError, "Dimension out of range", f32(2, 3), 0, 2)]


def turn() -> list:
    """Of t."""
    return [*[sample(x) for x in _layouts(2, 3)], sample(f32(3)), sample(f32()), sample(f32(0, 2))]


def turn_errors() -> list:
    """Of t."""
    words = "t() expects a tensor with <= 2 dimensions, but self is 3D"
    return [refused(RuntimeError, words, f32(2, 2, 2))]


def expand() -> list:
    """Of expand."""
    return [
        sample(f32(2, 1), (2, 3)),
        sample(f64(3), (2, 3)),
        sample(f32(), (2, 2)),
        sample(f32(3, 1), (-1, 2)).by("Tensor.expand"),
        sample(f32(1, 2), (3, 2, 2)),
        sample(f32(1, 3), (0, 3)),
        sample(f32(2, 3, layout="turned"), (2, 2, 3)),
        sample(f32(2, 3), (1, 2, 3)),
        sample(i64(1), (3,)),
        sample(f32(1, 3), f32(2, 3)).by("Tensor.expand_as"),
    ]


def expand_errors() -> list:
    """Of expand."""
    size = (
        "The expanded size of the tensor (4) must match the existing size (3) at non-singleton "
        "dimension 1.  Target sizes: [2, 4].  Tensor sizes: [2, 3]"
    )
    return [
        refused(RuntimeError, size, f32(2, 3), (2, 4)),
        refused(RuntimeError, "must be greater or equal to the number of", f32(2, 3), (3,)),
        refused(RuntimeError, "isn't allowed in a leading", f32(3), (-1, 3)),
    ]


def unsqueeze() -> list:
    """Of unsqueeze."""
    found = [sample(x, dim) for x, dim in zip(_layouts(2, 3), (0, 1, -1), strict=True)]
    return [*found, sample(f32(), 0), sample(f32(0, 2), 1), sample(i64(2), -2)]


def unsqueeze_errors() -> list:
    """Of unsqueeze."""
    return [refused(IndexError, "Dimension out of range", f32(2, 3), 3)]


def squeeze() -> list:
    """Of squeeze without dimensions."""
    return [
        sample(f32(1, 2, 1)),
        sample(f64(2, 3)),
        sample(f32(1, 1)),
        sample(f32()),
        sample(f32(2, 1, 3, layout="turned")),
        sample(f32(0, 1)),
    ]


def squeeze_dim() -> list:
    """Of squeeze of one dimension or some."""
    return [
        sample(f32(1, 2, 1), 0),
        sample(f64(1, 2, 1), -1),
        sample(f32(1, 2, 1), 1),
        sample(f32(), 0),
        sample(f32(2, 1, 3, layout="turned"), 1),
    ]


def squeeze_errors() -> list:
    """Of squeeze of one dimension."""
    return [refused(IndexError, "Dimension out of range", f32(2, 1), 2)]


def select() -> list:
    """Of select."""
    found = [sample(x, 1, 2) for x in _layouts(2, 3)]
    return [
        *found,
        sample(f32(2, 3), 0, -1),
        sample(f32(3), 0, 1),
        sample(f32(2, 3, 2), -2, 0),
        sample(f32(3, 2, layout="expanded"), 0, 1),
        sample(i64(2, 3), 0, 1),
        sample(f32(2, 3), 1).by("Tensor.__getitem__"),
        sample(f32(2, 3), (-1, 0)).by("Tensor.__getitem__"),
    ]


def select_errors() -> list:
    """Of select."""
    words = "select(): index 2 out of range for tensor of size [2, 3] at dimension 0"
    return [
        refused(IndexError, words, f32(2, 3), 0, 2),
        refused(IndexError, "select() cannot be applied to a 0-dim tensor.", f32(), 0, 0),
        refused(IndexError, "Dimension out of range", f32(2, 3), 2, 0),
        refused(IndexError, "index 2 is out of bounds for dimension 0 with size 2", f32(2), 2).by(
            "Tensor.__getitem__"
        ),
        refused(IndexError, "too many indices for tensor of dimension 1", f32(2), (0, 0)).by(
            "Tensor.__getitem__"
        ),
    ]


def part() -> list:
    """Of slices and narrow."""
    found = [sample(x, 1, 1, 2) for x in _layouts(2, 3)]
    slices = [
        (f32(5), slice(1, 4)),
        (f32(5), slice(None, None, 2)),
        (f64(2, 5), (slice(None), slice(-3, -1))),
        (f32(3, 2, layout="turned"), slice(1, None)),
        (f32(4), slice(3, 1)),
        (f32(4), slice(1, 9)),
    ]
    return [
        *found,
        sample(f32(2, 3), 0, 0, 0),
        sample(f32(4), -1, -3, 2),
        sample(f32(0, 3), 1, 0, 2),
        *[sample(x, index).by("Tensor.__getitem__") for x, index in slices],
    ]


def part_errors() -> list:
    """Of slices and narrow."""
    words = "start (1) + length (3) exceeds dimension size (3)."
    return [
        refused(RuntimeError, words, f32(3), 0, 1, 3),
        refused(RuntimeError, "narrow(): length must be non-negative.", f32(3), 0, 1, -1),
        refused(RuntimeError, "narrow() cannot be applied to a 0-dim tensor.", f32(), 0, 0, 1),
        refused(ValueError, "step must be greater than zero", f32(3), slice(None, None, -1)).by(
            "Tensor.__getitem__"
        ),
    ]


def diagonal() -> list:
    """Of diagonal."""
    found = [sample(x) for x in _layouts(2, 3)]
    return [
        *found,
        sample(f32(3, 3), 1),
        sample(f32(3, 3), offset=-2),
        sample(f32(2, 3, 3), 0, 1, 2),
        sample(f32(2, 3), 5),
    ]


def diagonal_errors() -> list:
    """Of diagonal."""
    return [
        refused(RuntimeError, "diagonal dimensions cannot be identical 0, 0", f32(2, 2), 0, 0, 0),
        refused(IndexError, "Dimension out of range", f32(3)),
    ]


def strided() -> list:
    """Of as_strided."""
    return [
        sample(f32(6), (2, 2), (3, 1)),
        sample(f64(6), (2, 2), (2, 1), 1),
        sample(f32(2, 3, layout="turned"), (2, 2), (1, 2)),
        sample(f32(4), (3, 2), (0, 1)),
        sample(f32(3), (), (), 2),
        sample(f32(3), (0,), (1,)),
    ]


def whole() -> list:
    """Of a view of everything."""
    return [sample(x, ...).by("Tensor.__getitem__") for x in (*_layouts(2, 3), f32(), f32(0))]


def unbind() -> list:
    """Of unbind."""
    return [*[sample(x) for x in _layouts(2, 3)], sample(f32(3)), sample(f32(2, 3, 2), -1)]


def unbind_errors() -> list:
    """Of unbind."""
    return [
        refused(IndexError, "Dimension specified as 0 but tensor has no dimensions", f32()),
        refused(IndexError, "Dimension out of range", f32(2, 3), 5),
    ]


def split() -> list:
    """Of split and chunk by one size."""
    found = [sample(x, 2, 1).by("torch.split", "Tensor.split") for x in _layouts(2, 3)]
    return [
        *found,
        sample(f32(5), 2).by("torch.split", "Tensor.split"),
        sample(f32(5), 4).by("torch.chunk", "Tensor.chunk"),
        sample(f32(0, 2), 0).by("torch.split", "Tensor.split"),
    ]


def split_errors() -> list:
    """Of split and chunk by one size."""
    words = "split_size can only be 0 if dimension size is 0, but got dimension size of 3"
    return [
        refused(RuntimeError, words, f32(3, 2), 0).by("torch.split", "Tensor.split"),
        refused(RuntimeError, "split expects at least a 1-dimensional tensor", f32(), 1).only(
            "torch.split"
        ),
        refused(RuntimeError, "chunk expects `chunks` to be greater than 0", f32(3), 0).only(
            "torch.chunk"
        ),
    ]


def split_with_sizes() -> list:
    """Of split by several sizes."""
    found = [sample(x, (1, 2), 1).by("torch.split", "Tensor.split") for x in _layouts(2, 3)]
    return [*found, sample(f32(4), (1, 0, 3)).by("torch.split", "Tensor.split")]


def split_with_sizes_errors() -> list:
    """Of split by several sizes."""
    words = "split_with_sizes expects split_sizes to sum exactly to 3"
    return [
        refused(RuntimeError, words, f32(3), (1, 1)).by("torch.split", "Tensor.split"),
        refused(RuntimeError, "split_with_sizes expects split_sizes have only", f32(3), (4, -1)).by(
            "torch.split", "Tensor.split"
        ),
    ]
