"""Losses: values, gradients, reductions, weights, what they refuse and warn of."""

from ..outcome import refused, warned


def _pair(torch, dtype=None):
    x = torch.linspace(-2.0, 2.0, 6, dtype=dtype).reshape(2, 3).requires_grad_()
    y = torch.tensor([[0.5, -3.0, 0.1], [0.7, 0.8, 2.5]], dtype=dtype)
    return x, y


def _all(torch, make, x, y, **options):
    for reduction in ("mean", "sum", "none"):
        x.grad = None
        y.grad = None
        loss = make(reduction=reduction, **options)
        value = loss(x, y)
        yield repr(loss), value, value.grad_fn.name()
        value.sum().backward()
        yield x.grad, y.grad


def distances(torch):
    nn = torch.nn
    for dtype in (torch.float32, torch.float64):
        x, y = _pair(torch, dtype)
        for make in (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss):
            yield from _all(torch, make, x, y)
        yield from _all(torch, nn.SmoothL1Loss, x, y, beta=0.5)
        yield from _all(torch, nn.HuberLoss, x, y, delta=0.5)
    y = y.requires_grad_()
    for make in (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss):
        yield from _all(torch, make, x, y)


def distances_with_weights(torch):
    F = torch.nn.functional
    x, y = _pair(torch)
    w = torch.arange(6.0).reshape(2, 3)
    for f in (F.mse_loss, F.l1_loss, F.huber_loss):
        for reduction in ("mean", "sum", "none"):
            yield f(x, y, reduction=reduction, weight=w)
        yield refused(f, x, y, weight=torch.ones(3))
    yield F.smooth_l1_loss(x, y, beta=0.0)
    yield refused(F.smooth_l1_loss, x, y, beta=-1.0)
    yield refused(F.huber_loss, x, y, delta=0.0)
    yield refused(torch.nn.HuberLoss, delta="x")


def sizes_that_broadcast_warn(torch):
    F = torch.nn.functional
    x, y = torch.ones(3, 1), torch.ones(3)
    for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        yield warned(f, x, y), f(x, y)
    yield refused(F.binary_cross_entropy, torch.full((3,), 0.5), torch.ones(3, 1))
    yield refused(F.binary_cross_entropy_with_logits, torch.ones(3), torch.ones(3, 1))


def other_things_than_tensors_are_refused(torch):
    F = torch.nn.functional
    x = torch.ones(2)
    for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy):
        yield refused(f, x, 3.0), refused(f, [1.0, 2.0], x)
    yield type(refused(F.nll_loss, torch.ones(1, 2), [1])).__name__


def reductions_are_checked(torch):
    nn, F = torch.nn, torch.nn.functional
    x = torch.ones(2)
    yield refused(F.mse_loss, x, x, reduction="avg")
    yield refused(F.cross_entropy, torch.ones(1, 2), torch.tensor([0]), reduction="avg")
    yield warned(nn.MSELoss, size_average=False), warned(nn.MSELoss, reduce=False)
    yield nn.MSELoss(size_average=False).reduction, nn.L1Loss(reduce=False).reduction
    yield warned(F.mse_loss, x, x, size_average=True)


def _logits(torch, *more):
    count = 2 * 3
    for n in more:
        count *= n
    return torch.linspace(-2.0, 3.0, count).reshape(2, 3, *more).requires_grad_()


def classes(torch):
    nn = torch.nn
    y = torch.tensor([2, 0])
    for make in (nn.CrossEntropyLoss, nn.NLLLoss):
        x = _logits(torch)
        yield from _all(torch, make, x, y)
        yield from _all(torch, make, x, y, weight=torch.tensor([1.0, 2.0, 0.5]))
        yield from _all(torch, make, x, y, ignore_index=0)
        yield from _all(torch, make, x, y, ignore_index=0, weight=torch.tensor([1.0, 2.0, 0.5]))
    yield from _all(torch, nn.CrossEntropyLoss, torch.ones(3, requires_grad=True), torch.tensor(1))
    yield [n for n, _ in nn.CrossEntropyLoss(weight=torch.ones(2)).named_buffers()]


def classes_at_many_places(torch):
    nn = torch.nn
    x = _logits(torch, 2, 2)
    y = torch.tensor([[[0, 1], [2, -100]], [[1, 1], [0, 2]]])
    yield from _all(torch, nn.CrossEntropyLoss, x, y)
    yield from _all(torch, nn.NLLLoss, x, y, weight=torch.tensor([1.0, 2.0, 0.5]))
    x, y = _logits(torch, 2), torch.tensor([[0, 1], [2, 1]])
    yield torch.nn.functional.cross_entropy(x, y), nn.CrossEntropyLoss(reduction="none")(x, y)


def smoothed_labels(torch):
    nn = torch.nn
    y = torch.tensor([2, 0])
    for options in ({}, {"weight": torch.tensor([1.0, 2.0, 0.5])}, {"ignore_index": 2}):
        yield from _all(
            torch, nn.CrossEntropyLoss, _logits(torch), y, label_smoothing=0.2, **options
        )
    both = {"weight": torch.tensor([1.0, 2.0, 0.5]), "ignore_index": 0}
    yield from _all(torch, nn.CrossEntropyLoss, _logits(torch), y, label_smoothing=0.1, **both)
    z = torch.tensor([[0, 1], [2, -100]])
    yield from _all(torch, nn.CrossEntropyLoss, _logits(torch, 2), z, label_smoothing=0.1)


def probabilities_as_targets(torch):
    nn = torch.nn
    y = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    yield from _all(torch, nn.CrossEntropyLoss, _logits(torch), y)
    w = torch.tensor([1.0, 2.0, 0.5])
    yield from _all(torch, nn.CrossEntropyLoss, _logits(torch), y, weight=w, label_smoothing=0.3)


def everything_ignored_is_nan(torch):
    F = torch.nn.functional
    y = torch.tensor([-100, -100])
    yield F.cross_entropy(_logits(torch), y), F.cross_entropy(_logits(torch), y, reduction="sum")


def classes_are_checked(torch):
    F = torch.nn.functional
    x = torch.zeros(2, 3)
    yield refused(F.cross_entropy, x, torch.tensor([0, 1, 2]))
    yield refused(F.cross_entropy, x, torch.tensor([0.0, 1.0]))
    yield refused(F.cross_entropy, x, torch.zeros(2, 3, dtype=torch.int64))
    yield refused(F.cross_entropy, x, torch.tensor([0, 1]), label_smoothing=2.0)
    yield refused(F.cross_entropy, x, torch.zeros(2, 3), ignore_index=1)
    yield refused(lambda: F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3])).item())
    yield refused(lambda: F.nll_loss(torch.zeros(2, 3), torch.tensor([0, -1])).item())
    x = torch.zeros(2, 3)
    yield refused(F.nll_loss, x, torch.tensor([0, 1]), weight=torch.ones(2))
    yield type(refused(F.cross_entropy, [1], torch.tensor(0))).__name__


def one_probability(torch):
    nn = torch.nn
    y = torch.tensor([[0.0, 1.0, 0.3], [0.7, 1.0, 0.0]])
    x = torch.tensor([[0.2, 0.9, 0.5], [0.6, 1.0, 0.0]], requires_grad=True)
    yield from _all(torch, nn.BCELoss, x, y)
    yield from _all(torch, nn.BCELoss, x, y, weight=torch.tensor([1.0, 2.0, 3.0]))
    z = torch.tensor([[0.5, -1.0, 40.0], [2.0, -40.0, 0.0]], requires_grad=True)
    yield from _all(torch, nn.BCEWithLogitsLoss, z, y)
    w, p = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 1.0, 0.5])
    yield from _all(torch, nn.BCEWithLogitsLoss, z, y, weight=w)
    yield from _all(torch, nn.BCEWithLogitsLoss, z, y, pos_weight=p)
    yield from _all(torch, nn.BCEWithLogitsLoss, z, y, weight=w, pos_weight=p)
    yield list(nn.BCEWithLogitsLoss(weight=w, pos_weight=p).state_dict())


def second_derivatives(torch):
    F = torch.nn.functional
    functions = (
        F.mse_loss,
        F.smooth_l1_loss,
        F.binary_cross_entropy_with_logits,
        F.cross_entropy,
        F.binary_cross_entropy,
    )
    y = torch.tensor([[0.3, 0.6, 0.2]], dtype=torch.float64)
    for f in functions:
        x = torch.tensor([[0.2, 0.4, 0.9]], dtype=torch.float64, requires_grad=True)
        (g,) = torch.autograd.grad(f(x, y), x, create_graph=True)
        (gg,) = torch.autograd.grad((g * torch.arange(3.0, dtype=torch.float64)).sum(), x)
        # PyTorch keeps one denominator from 0 by 1e-12
        yield g, gg.float() if f is F.binary_cross_entropy else gg
