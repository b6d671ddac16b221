"""A recorded stretch as text, one value a line, and as a drawing for Graphviz."""

from __future__ import annotations

from nacre.ir.node import LEAF, MARK, VIEW, WRITE


def text(node, wanted=()) -> str:
    """The path to a node, one line for each value.

    Slots in `wanted` are marked with a star, numbers are `#index`, and what made a value inside a
    block is followed by the block's path.
    """
    return "\n".join(line(n, n.slot in wanted) for n in node.path())


def line(node, wanted=False) -> str:
    """One node: `%2 = add(%0, %1) : float32[2x3]`."""
    if node.op is MARK:
        return f"-- {_name_of_mark(node.attrs)}"
    star = "*" if wanted else ""
    shown = f"{star}%{node.slot} = {call(node)} : {node.meta}"
    where = node.scope
    return f"{shown}  in {where[0]}" if where and where[0] else shown


def call(node) -> str:
    """What a node does, without its name and type."""
    args = ", ".join(_operand(a) for a in node.args)
    if node.op is LEAF:
        return "leaf" if node.attrs == -1 else f"leaf of the memory of %{node.attrs}"
    if node.op is VIEW:
        return f"view({args}) at {node.attrs}"
    if node.op is WRITE:
        offset, region = node.attrs
        return f"write({args}) at {offset}, {region}"
    attrs = "" if node.attrs is None else f", {_plain(node.attrs)}"
    return f"{node.op.name}({args}{attrs})"


def _operand(a) -> str:
    if type(a) is int:
        return f"%{a}"
    if type(a) is tuple:
        return f"#{a[0]}"
    return repr(a.value)


def _plain(attrs) -> str:
    """Attributes; pairs of names and values as such."""
    if isinstance(attrs, tuple) and attrs and all(_is_pair(a) for a in attrs):
        return ", ".join(f"{name}={value!r}" for name, value in attrs)
    return repr(attrs)


def _is_pair(a) -> bool:
    return isinstance(a, tuple) and len(a) == 2 and isinstance(a[0], str)


def _name_of_mark(key) -> str:
    return key if isinstance(key, str) else str(getattr(key, "name", key))


# ---- drawings -----------------------------------------------------------------------------------
_SHAPES = {LEAF: "box", VIEW: "parallelogram", WRITE: "parallelogram"}


def dot(node, wanted=()) -> str:
    """The path to a node in Graphviz's language: `dot -Tsvg` draws it."""
    lines = ["digraph stretch {", '  node [fontname="monospace", shape=ellipse];']
    for n in node.path():
        if n.op is MARK:
            continue
        name = n.op if isinstance(n.op, str) else n.op.name
        label = _escaped(f"%{n.slot} {name}") + "\\n" + _escaped(str(n.meta))
        style = ", style=bold" if n.slot in wanted else ""
        shape = f", shape={_SHAPES[n.op]}" if n.op in _SHAPES else ""
        lines.append(f'  v{n.slot} [label="{label}"{shape}{style}];')
        for a in n.args:
            if type(a) is int:
                lines.append(f"  v{a} -> v{n.slot};")
            elif type(a) is tuple:
                lines.append(f'  n{a[0]} [label="#{a[0]} {a[1].__name__}", shape=plaintext];')
                lines.append(f"  n{a[0]} -> v{n.slot};")
    return "\n".join([*lines, "}"])


def _escaped(label) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"')
