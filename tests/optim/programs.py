"""Programs that train a small model, as functions of a torch module: PyTorch's, or nacre.

Each returns what is compared: plain numbers, lists and strings.
"""

OPTIONS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd_whole_lr": ("SGD", {"lr": 1}),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "sgd_dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.4}),
    "sgd_decay": ("SGD", {"lr": 0.1, "weight_decay": 0.2}),
    "sgd_all": (
        "SGD",
        {"lr": 0.05, "momentum": 0.7, "weight_decay": 0.1, "nesterov": True, "maximize": True},
    ),
    "sgd_maximize": ("SGD", {"lr": 0.01, "maximize": True}),
    "sgd_foreach": ("SGD", {"lr": 0.1, "momentum": 0.5, "foreach": True}),
    "sgd_fused": ("SGD", {"lr": 0.1, "momentum": 0.5, "fused": True}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam_betas": ("Adam", {"lr": 0.05, "betas": (0.5, 0.8), "eps": 1e-3}),
    "adam_decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    "adam_amsgrad": ("Adam", {"lr": 0.1, "amsgrad": True}),
    "adam_maximize": ("Adam", {"lr": 0.02, "maximize": True}),
    "adam_decoupled": (
        "Adam",
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop_all": (
        "RMSprop",
        {"lr": 0.01, "momentum": 0.8, "centered": True, "weight_decay": 0.1, "maximize": True},
    ),
    "rmsprop_centered": ("RMSprop", {"lr": 0.02, "alpha": 0.9, "centered": True}),
    "adagrad": ("Adagrad", {"lr": 0.2}),
    "adagrad_all": (
        "Adagrad",
        {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta_all": ("Adadelta", {"lr": 0.5, "rho": 0.7, "weight_decay": 0.1, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.05}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.3}),
}


class Problem:
    """Two parameters, a batch, and a loss that is not quadratic."""

    def __init__(self, torch, kind=None):
        torch.manual_seed(7)
        self.torch = torch
        kind = torch.float32 if kind is None else kind
        self.w = torch.randn(4, 3, dtype=kind).requires_grad_()
        self.b = torch.zeros(3, dtype=kind).requires_grad_()
        self.x = torch.randn(12, 4, dtype=kind)
        self.y = torch.randn(12, 3, dtype=kind)

    @property
    def params(self):
        return [self.w, self.b]

    def loss(self):
        return ((self.torch.tanh(self.x @ self.w) + self.b - self.y) ** 2).mean()

    def step(self, opt):
        loss = self.loss()
        opt.zero_grad()
        loss.backward()
        opt.step()

    def values(self):
        return [p.tolist() for p in self.params]


def plain(value, torch):
    """A state dict as plain Python."""
    if isinstance(value, torch.Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, dict):
        return [[str(k), plain(v, torch)] for k, v in value.items()]
    if isinstance(value, list | tuple):
        return [plain(v, torch) for v in value]
    return value


def trajectory(torch, name, kind="float32"):
    """Values every ten steps of thirty, and at the end repr, state dict and versions."""
    optimizer, settings = OPTIONS[name]
    problem = Problem(torch, getattr(torch, kind))
    opt = getattr(torch.optim, optimizer)(problem.params, **settings)
    seen = []
    for i in range(30):
        problem.step(opt)
        if i % 10 == 9:
            seen.append(problem.values())
    return {
        "values": seen,
        "repr": repr(opt),
        "state": plain(opt.state_dict(), torch),
        # PyTorch's fused kernels forget to count their writes.
        "versions": None if settings.get("fused") else [p._version for p in problem.params],
        "grads": [p.grad.tolist() for p in problem.params],
    }


def groups(torch):
    """Settings of a group's own, changed on the way; a group that is added."""
    problem = Problem(torch)
    opt = torch.optim.SGD([{"params": problem.w, "lr": 0.2}], lr=0.05, momentum=0.3)
    seen = []
    for i in range(20):
        if i == 5:
            opt.add_param_group({"params": [problem.b], "weight_decay": 0.1})
        if i == 10:
            for group in opt.param_groups:
                group["lr"] *= 0.1
        problem.step(opt)
        seen.append(problem.values())
    return {"values": seen[4::5], "repr": repr(opt), "state": plain(opt.state_dict(), torch)}


def missing_gradients(torch, name="Adam"):
    """Parameters that have no gradient in some steps count their own steps."""
    problem = Problem(torch)
    opt = getattr(torch.optim, name)(problem.params, lr=0.1)
    for i in range(12):
        loss = problem.loss()
        opt.zero_grad()
        loss.backward()
        if i % 3 == 1:
            problem.b.grad = None
        if i == 5:
            problem.w.grad = None
        opt.step()
    return {"values": problem.values(), "state": plain(opt.state_dict(), torch)}


def restored(torch, name):
    """A second optimiser goes on from the first one's state."""
    optimizer, settings = OPTIONS[name]
    problem = Problem(torch)
    opt = getattr(torch.optim, optimizer)(problem.params, **settings)
    for _ in range(6):
        problem.step(opt)
    again = getattr(torch.optim, optimizer)(problem.params, lr=0.9)
    again.load_state_dict(opt.state_dict())
    for _ in range(6):
        problem.step(again)
    return {"values": problem.values(), "repr": repr(again)}


def accumulated(torch):
    """Gradients that are set to zero and added up."""
    problem = Problem(torch)
    opt = torch.optim.SGD(problem.params, lr=0.1, momentum=0.9)
    for i in range(10):
        if i % 2 == 0:
            opt.zero_grad(set_to_none=False)
        problem.loss().backward()
        opt.step()
    return {"values": problem.values(), "grads": [p.grad.tolist() for p in problem.params]}


def closures(torch):
    """`step(closure)` returns the loss and turns gradients on."""
    problem = Problem(torch)
    opt = torch.optim.SGD(problem.params, lr=0.1)

    def closure():
        opt.zero_grad()
        loss = problem.loss()
        loss.backward()
        return loss

    with torch.no_grad():
        losses = [opt.step(closure).item() for _ in range(5)]
    return {"losses": losses, "values": problem.values()}


def hooked(torch):
    """The order in which hooks run, and what they are given."""
    problem = Problem(torch)
    opt = torch.optim.SGD(problem.params, lr=0.1)
    seen = []

    def before(optimizer, args, kwargs):
        seen.append(["before", optimizer is opt, len(args), sorted(kwargs)])

    def after(optimizer, args, kwargs):
        seen.append(["after", [p._version for p in problem.params]])

    handle = opt.register_step_pre_hook(before)
    opt.register_step_post_hook(after)
    opt.register_state_dict_post_hook(lambda o, d: {**d, "more": 1})
    opt.register_load_state_dict_pre_hook(lambda o, d: seen.append(sorted(d)))
    problem.step(opt)
    handle.remove()
    problem.step(opt)
    opt.load_state_dict(opt.state_dict())
    return {"seen": seen, "values": problem.values()}


SCHEDULES = {
    "step": ("StepLR", {"step_size": 3, "gamma": 0.5}),
    "lambda": ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    "milestones": ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.3}),
    "exponential": ("ExponentialLR", {"gamma": 0.8}),
    "cosine": ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
}


def scheduled(torch, name):
    """Rates and values while a schedule runs, and its state."""
    kind, settings = SCHEDULES[name]
    problem = Problem(torch)
    opt = torch.optim.SGD([{"params": [problem.w]}, {"params": [problem.b], "lr": 0.3}], lr=0.2)
    schedule = getattr(torch.optim.lr_scheduler, kind)(opt, **settings)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr())
        problem.step(opt)
        schedule.step()
    state = {k: v for k, v in schedule.state_dict().items() if k != "milestones"}
    state = plain(state, torch)
    return {"rates": rates, "values": problem.values(), "repr": repr(opt), "state": state}


def errors(torch):
    """What is refused: type and message."""
    p = torch.ones(2, requires_grad=True)
    optim = torch.optim
    q = torch.ones(2, requires_grad=True)
    groups = [{"params": [p]}, {"params": [p]}]
    calls = [
        lambda: optim.SGD([p], lr=-1.0),
        lambda: optim.SGD([p], momentum=-0.5),
        lambda: optim.SGD([p], weight_decay=-2),
        lambda: optim.SGD([p], nesterov=True),
        lambda: optim.SGD([p], nesterov=True, momentum=0.9, dampening=0.1),
        lambda: optim.SGD(p),
        lambda: optim.SGD([]),
        lambda: optim.SGD([1]),
        lambda: optim.SGD([p * 2]),
        lambda: optim.SGD(groups),
        lambda: optim.SGD([{"params": {p}}]),
        lambda: optim.SGD([("a", p), q]),
        lambda: optim.SGD([p]).add_param_group([q]),
        lambda: optim.SGD([("a", p)]).add_param_group({"params": [q]}),
        lambda: optim.SGD([p], fused=True, foreach=True),
        lambda: optim.SGD([p], fused=True, differentiable=True),
        lambda: optim.Adam([p], eps=-1),
        lambda: optim.Adam([p], betas=(1.0, 0.9)),
        lambda: optim.Adam([p], betas=(0.9, 1.5)),
        lambda: optim.Adam([p], weight_decay=-1),
        lambda: optim.Adam([p], betas=(0, 0.9)),
        lambda: optim.SGD([p]).load_state_dict(optim.SGD([p, q]).state_dict()),
        lambda: optim.SGD([p]).load_state_dict(
            optim.SGD([{"params": [p]}, {"params": [q]}]).state_dict()
        ),
        lambda: optim.lr_scheduler.StepLR(1, 2),
        lambda: optim.lr_scheduler.StepLR(optim.SGD([p]), 2, last_epoch=3),
        lambda: optim.lr_scheduler.LambdaLR(optim.SGD([p]), [abs, abs]),
        lambda: optim.Optimizer([p], {}).step(),
        lambda: optim.SGD([p], lr=torch.ones(2)),
        lambda: optim.RMSprop([p], alpha=-1),
        lambda: optim.RMSprop([p], momentum=-1),
        lambda: optim.Adagrad([p], lr_decay=-1),
        lambda: optim.Adagrad([p], initial_accumulator_value=-1),
        lambda: optim.Adadelta([p], rho=1.5),
        lambda: optim.Adadelta([p], eps=-1),
    ]
    found = []
    for call in calls:
        try:
            call()
            found.append(None)
        except Exception as error:
            found.append([type(error).__name__, str(error)])
    return found


def everything(torch):
    """All results by name."""
    found = {f"trajectory {name}": trajectory(torch, name) for name in OPTIONS}
    for name in ("sgd_all", "adam"):
        found[f"float64 {name}"] = trajectory(torch, name, "float64")
    for name in ("sgd_momentum", "adam_amsgrad", "rmsprop_centered", "adagrad", "adadelta"):
        found[f"restored {name}"] = restored(torch, name)
    for name in SCHEDULES:
        found[f"schedule {name}"] = scheduled(torch, name)
    for name in ("Adam", "SGD", "Adagrad", "RMSprop"):
        found[f"missing {name}"] = missing_gradients(torch, name)
    for program in (groups, accumulated, closures, hooked, errors):
        found[program.__name__] = program(torch)
    return found
