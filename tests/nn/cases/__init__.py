"""Programs about nn, by subject; each yields what it finds, on nacre and on PyTorch."""

from . import calls, containers, initial, layers, lazy, losses, modules, states, utilities

SUBJECTS = {
    "calls": calls,
    "containers": containers,
    "initial": initial,
    "layers": layers,
    "lazy": lazy,
    "losses": losses,
    "modules": modules,
    "states": states,
    "utilities": utilities,
}


def cases(subject):
    """The cases of a subject by name: its functions whose one argument is `torch`."""
    found = {}
    for name, thing in vars(SUBJECTS[subject]).items():
        code = getattr(thing, "__code__", None)
        if (
            name[0] != "_"
            and code is not None
            and code.co_varnames[: code.co_argcount] == ("torch",)
        ):
            found[name] = thing
    return found
