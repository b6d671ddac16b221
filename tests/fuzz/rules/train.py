"""What stands before the loop (parameters, nets, optimisers), training statements, and the end."""

from __future__ import annotations

from dataclasses import replace

from ..model import TORCH_DTYPE, Var, layout
from ..writer import Gen, rule


def keep(g: Gen, name: str, shape, dtype: str) -> Var:
    """A name made once, a leaf that requires grad."""
    store = g.new_store()
    v = Var(name, dtype, layout(shape), store, rg=True, fam=store, keep=True)
    g.vars[name] = v
    return v


def setup(g: Gen) -> None:
    """Statements before the loop."""
    training = g.profile == "train"
    if training or g.r.chance(0.12):
        for _ in range(2 if training and g.r.chance(0.3) else 1):
            network(g)
    if g.profile in ("grad", "mixed", "tiny") or g.r.chance(0.3):
        for i in range(g.r.between(1, 2)):
            shape, dtype = g.shape(), g.float_dtype()
            keep(g, f"p{i}", shape, dtype)
            g.emit(f"p{i} = {g.literal(shape, dtype, ', requires_grad=True')}")
    if g.r.chance(0.25):
        shape, dtype = g.shape(), g.float_dtype()
        v = keep(g, "b0", shape, dtype)
        g.vars["b0"] = replace(v, rg=False)
        g.emit(f"b0 = {g.literal(shape, dtype)}")
    if not g.optimizers and g.r.chance(0.2):
        names = [v.name for v in g.tensors(lambda v: v.rg)]
        if names:
            optimizer(g, f"[{', '.join(names)}]")


def network(g: Gen) -> None:
    """A small net with literal parameters."""
    k = len(g.nets)
    name, dtype = f"net{k}", g.float_dtype()
    a, b, c = (g.r.between(1, 4) for _ in range(3))
    spelled = "" if dtype == "f32" else f", dtype={TORCH_DTYPE[dtype]}"
    act = g.r.pick(["nn.Tanh()", "nn.ReLU()", "nn.Sigmoid()", "nn.GELU()"])
    kind = g.r.pick(["one", "two", "tied", "two"])
    if kind == "one":
        bias = ", bias=False" if g.r.chance(0.2) else ""
        g.emit(f"{name} = nn.Linear({a}, {b}{bias}{spelled})")
        shapes, out = [(b, a)] + ([] if bias else [(b,)]), b
        paths = [f"{name}.weight"]
    elif kind == "two":
        g.emit(
            f"{name} = nn.Sequential(nn.Linear({a}, {b}{spelled}), {act}, "
            f"nn.Linear({b}, {c}{spelled}))"
        )
        shapes, out = [(b, a), (b,), (c, b), (c,)], c
        paths = [f"{name}[0].weight", f"{name}[0].bias", f"{name}[2].weight"]
    else:
        g.emit(
            f"{name} = nn.Sequential(nn.Linear({a}, {a}{spelled}), {act}, "
            f"nn.Linear({a}, {a}{spelled}))\n"
            f"{name}[2].weight = {name}[0].weight"
        )
        shapes, out = [(a, a), (a,), (a,)], a
        paths = [f"{name}[0].weight", f"{name}[2].weight", f"{name}[0].bias"]
    values = ", ".join(g.literal(s, dtype) for s in shapes)
    form = g.r.pick(
        [
            "with torch.no_grad():\n    for p, v in zip({n}.parameters(), [{v}]):\n"
            "        p.copy_(v)",
            "for p, v in zip({n}.parameters(), [{v}]):\n    p.data = v",
            "for p, v in zip({n}.parameters(), [{v}]):\n    p.data.copy_(v)",
        ]
    )
    g.emit(form.format(n=name, v=values))
    if g.r.chance(0.5):
        g.emit(
            f"{name}.register_forward_hook(lambda m, i, o: note(type(m).__name__, tuple(o.shape)))"
        )
    g.nets.append((name, paths, a, out, dtype))
    g.emit(f"p9 = {paths[0]}")
    shape = shapes[0]
    keep(g, "p9", shape, dtype)
    optimizer(g, f"{name}.parameters()")


def optimizer(g: Gen, parameters: str) -> None:
    """SGD with a random choice of its options."""
    name = f"opt{len(g.optimizers)}"
    options = [f"lr={g.r.pick(['0.1', '0.5', '0.01'])}"]
    momentum = g.r.chance(0.5)
    if momentum:
        options.append("momentum=0.9")
    if g.r.chance(0.4):
        options.append("weight_decay=0.01")
    if momentum and g.r.chance(0.3):
        options.append(g.r.pick(["nesterov=True", "dampening=0.5"]))
    if g.r.chance(0.1):
        options.append("maximize=True")
    g.emit(f"{name} = torch.optim.SGD({parameters}, {', '.join(options)})")
    g.optimizers.append((name, parameters))


def batch(g: Gen, k: int) -> str:
    """Statements that bind a batch x, y for net k."""
    _, _, a, out, dtype = g.nets[k]
    n = g.r.between(1, 4)
    return f"x = {g.literal((n, a), dtype)}\ny = {g.literal((n, out), dtype)}"


@rule("train", 20)
def train_step(g: Gen) -> bool:
    if not g.nets or g.block is not None:
        return False
    k = g.r.below(len(g.nets))
    name, opt = g.nets[k][0], g.optimizers[k][0]
    loss = g.r.pick(
        [
            "F.mse_loss({n}(x), y)",
            "(({n}(x) - y) ** 2).mean()",
            "nn.MSELoss()({n}(x), y)",
            "nn.L1Loss()({n}(x), y)",
            "F.smooth_l1_loss({n}(x), y)",
            "F.mse_loss({n}(x), y, reduction='sum')",
            "F.cross_entropy({n}(x), y.softmax(1))",
            "F.cross_entropy({n}(x), y.argmax(1))",
        ]
    ).format(n=name)
    see = g.r.pick(
        ["note(loss.item())", "note(loss.item())", "see(loss)", "", "print(loss, file=sink)"]
    )
    zero = g.r.pick(
        [f"{opt}.zero_grad()", f"{name}.zero_grad()", f"{opt}.zero_grad(set_to_none=False)", ""]
    )
    order = g.r.below(3)
    lines = [batch(g, k), f"loss = {loss}"]
    if order == 0:
        lines = [lines[0], zero, lines[1], "loss.backward()", f"{opt}.step()", see]
    elif order == 1:
        lines = [*lines, zero, "loss.backward()", see, f"{opt}.step()"]
    else:
        lines = [*lines, see, "loss.backward()", f"{opt}.step()", zero]
    for _ in range(1 if g.r.chance(0.7) else 2):
        g.emit("\n".join(line for line in lines if line))
    return True


@rule("train", 4)
def many_steps(g: Gen) -> bool:
    if not g.nets or g.block is not None:
        return False
    name, opt = g.nets[0][0], g.optimizers[0][0]
    seen = g.r.pick(["    note(loss.item())", "", "    total += loss.detach()"])
    lines = [
        batch(g, 0),
        "total = 0.0",
        f"for _ in range({g.r.between(2, 6)}):",
        f"    {opt}.zero_grad()",
        f"    loss = F.mse_loss({name}(x), y)",
        "    loss.backward()",
        f"    {opt}.step()",
        seen,
        "note(float(total))",
    ]
    return g.emit("\n".join(line for line in lines if line))


@rule("train", 6)
def predict(g: Gen) -> bool:
    if not g.nets or g.block is not None:
        return False
    k = g.r.below(len(g.nets))
    name = g.nets[k][0]
    mode = g.r.pick(
        [
            "with torch.no_grad():\n    see({n}(x))",
            "see({n}(x))",
            "{n}.eval()\nsee({n}(x))\n{n}.train()",
            "with torch.inference_mode():\n    note({n}(x).sum().item())",
        ]
    )
    return g.emit(batch(g, k) + "\n" + mode.format(n=name))


@rule("train", 10)
def edit_parameters(g: Gen) -> bool:
    if not g.nets or g.block is not None:
        return False
    k = g.r.below(len(g.nets))
    name, paths, *_ = g.nets[k]
    path = g.r.pick(paths)
    form = g.r.pick(
        [
            "{p}.data[0] = {s}",
            "{p}.data[0] += {s}",
            "with torch.no_grad():\n    {p}.mul_(0.5)",
            "{p}.data *= 0.5",
            "see({p})",
            "see({p}.grad)",
            "note({p}._version)",
            "{p}.grad = None",
            "{p}.requires_grad_(it % 2 == 0)",
            "for p in {n}.parameters():\n    p.data.clamp_(-2.0, 2.0)",
            "note([p.grad is None for p in {n}.parameters()])",
            "note([tuple(p.shape) for p in {n}.parameters()], [k for k, _ in "
            "{n}.named_parameters()])",
            "nn.utils.clip_grad_norm_({n}.parameters(), 0.5)",
            "{p}[0] = 1.0",
            "see({p}.detach().numpy().sum().item())",
            "saved = {{k: v.clone() for k, v in {n}.state_dict().items()}}\n"
            "{p}.data.zero_()\n{n}.load_state_dict(saved)",
            "{p}.data = {p}.data.clone()",
            "{p}.data = {p}.data * 0.5",
            "held = {p}.detach()",
            "see(held)",
            "nn.init.constant_({p}, {s})",
            "nn.init.zeros_({p})",
        ]
    )
    return g.emit(form.format(p=path, n=name, s=g.number()))


@rule("train", 4)
def optimizer_state(g: Gen) -> bool:
    if not g.optimizers or g.block is not None:
        return False
    opt = g.r.pick(g.optimizers)[0]
    form = g.r.pick(
        [
            "{o}.param_groups[0]['lr'] *= 0.5",
            "{o}.param_groups[0]['lr'] = 0.1 / (1 + it)",
            "note(len({o}.state))",
            "for s in {o}.state.values():\n    val(s.get('momentum_buffer'))",
            "{o}.load_state_dict({o}.state_dict())",
        ]
    )
    return g.emit(form.format(o=opt))


@rule("grad", 3)
def optimizer_step(g: Gen) -> bool:
    if not g.optimizers:
        return False
    opt = g.r.pick(g.optimizers)[0]
    return g.guard(g.r.pick([f"{opt}.step()", f"{opt}.step()", f"{opt}.zero_grad()"]))


def finish(g: Gen) -> None:
    """The end of a round: gradients on again, everything that still lives is sometimes observed."""
    if not g.grad_on:
        g.grad_on = True
        g.emit("torch.set_grad_enabled(True)")
    for name, paths, *_ in g.nets:
        if g.r.chance(0.5):
            g.emit(f"for p in {name}.parameters():\n    see(p)\n    see(p.grad)")
        elif g.r.chance(0.5):
            g.emit(f"note({g.r.pick(paths)}.sum().item())")
    g.emit("everything()" if g.r.chance(0.3) else "aliases()")
