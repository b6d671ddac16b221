"""Layers and their functions: values, gradients, printing, dropout's random numbers."""

from ..outcome import refused, warned

_ACTIVATIONS = (
    ("ReLU", {}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ELU", {}),
    ("ELU", {"alpha": 0.5}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("SiLU", {}),
    ("Softplus", {}),
    ("Softplus", {"beta": 2, "threshold": 1}),
    ("LogSigmoid", {}),
    ("Softsign", {}),
    ("Tanhshrink", {}),
    ("Hardtanh", {}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("ReLU6", {}),
    ("Softmax", {"dim": 0}),
    ("LogSoftmax", {"dim": 0}),
    ("Softmin", {"dim": 0}),
)


def activations(torch):
    for name, options in _ACTIVATIONS:
        layer = getattr(torch.nn, name)(**options)
        for dtype in (torch.float32, torch.float64):
            x = torch.linspace(-3.0, 3.0, 8, dtype=dtype, requires_grad=True)
            y = layer(x)
            yield repr(layer), y.grad_fn.name(), y
            (y * torch.linspace(1.0, 2.0, 8, dtype=dtype)).sum().backward()
            yield x.grad


def activations_at_extremes(torch):
    x = torch.tensor([0.0, -0.0, 30.0, -30.0, 100.0, -100.0])
    for name, options in _ACTIVATIONS:
        if name != "Softmax":
            yield name, getattr(torch.nn, name)(**options)(x)


def activations_in_place(torch):
    nn = torch.nn
    for layer in (nn.ReLU(True), nn.LeakyReLU(0.1, True), nn.ELU(1.0, True), nn.SiLU(True),
                  nn.Hardtanh(inplace=True), nn.ReLU6(True)):  # fmt: skip
        x = torch.tensor([-1.0, 0.5, 8.0])
        y = layer(x)
        yield repr(layer), y is x, x, x._version
    w = torch.ones(2, requires_grad=True)
    h = w * torch.tensor([2.0, -2.0])
    y = nn.ReLU(inplace=True)(h)
    y.sum().backward()
    yield w.grad, h.grad_fn.name()


def learned_slopes(torch):
    nn = torch.nn
    x = torch.tensor([[-1.0, 2.0, -3.0], [4.0, -5.0, -6.0]], requires_grad=True)
    for layer in (nn.PReLU(), nn.PReLU(3, init=0.1)):
        y = layer(x)
        yield repr(layer), y, y.grad_fn.name()
        y.sum().backward()
        yield layer.weight.grad, x.grad
    yield refused(nn.PReLU(2), x)


def linear_layers(torch):
    nn = torch.nn
    layer = nn.Linear(3, 2)
    yield repr(layer), repr(nn.Linear(1, 2, bias=False))
    for shape in ((4, 3), (3,), (2, 2, 3), (0, 3)):
        x = torch.arange(float(max(1, torch.Size(shape).numel())))[: torch.Size(shape).numel()]
        x = x.reshape(shape).requires_grad_()
        y = layer(x)
        yield y, y.grad_fn.name()
        layer.zero_grad()
        y.sum().backward()
        yield x.grad, layer.weight.grad, layer.bias.grad
    F = torch.nn.functional
    yield F.linear(torch.ones(1, 2), torch.ones(3, 2)), F.linear(torch.ones(2), torch.ones(2))


def linear_layers_refuse_other_sizes(torch):
    nn = torch.nn
    layer = nn.Linear(3, 2)
    for x in (torch.ones(2, 4), torch.ones(4), torch.ones(2, 2, 5), torch.ones(3, 1)):
        yield refused(layer, x)
    yield refused(layer, torch.ones(2, 3, dtype=torch.float64))
    yield refused(layer, torch.ones(2, 3, dtype=torch.int64))
    yield type(refused(layer, [1.0, 2.0, 3.0])).__name__, type(refused(layer, layer)).__name__
    yield type(refused(layer)).__name__, type(refused(layer, 1, 2)).__name__


def bilinear_layers(torch):
    layer = torch.nn.Bilinear(2, 3, 4)
    a = torch.arange(4.0).reshape(2, 2).requires_grad_()
    b = torch.arange(6.0).reshape(2, 3)
    y = layer(a, b)
    yield repr(layer), y
    y.sum().backward()
    yield a.grad, layer.weight.grad, layer.bias.grad
    yield refused(torch.nn.Bilinear, 0, 1, 1)


def layers_that_change_the_shape(torch):
    nn = torch.nn
    x = torch.arange(24.0).reshape(2, 3, 4)
    yield repr(nn.Flatten()), repr(nn.Flatten(0, -2)), nn.Flatten()(x), nn.Flatten(0, 1)(x)
    yield refused(nn.Flatten(), torch.ones(3)), repr(nn.Unflatten(1, (2, 2)))
    yield nn.Unflatten(1, (3, 1))(x), nn.Unflatten(-1, (-1, 2))(x)
    yield refused(nn.Unflatten, 1, 4)
    yield refused(nn.Unflatten, 1, (2, 2.0))
    yield refused(nn.Flatten(2, 1), x)
    yield repr(nn.Identity(3, a=4)), nn.Identity(1)(x) is x


def softmax_takes_a_dimension(torch):
    nn, F = torch.nn, torch.nn.functional
    x = torch.arange(6.0).reshape(2, 3)
    yield (
        F.softmax(x, 1),
        F.log_softmax(x, dim=0),
        F.softmin(x, -1),
        F.softmax(x, 1, dtype=torch.float64),
    )
    for layer in (nn.Softmax(), nn.LogSoftmax(), nn.Softmin()):
        yield repr(layer), warned(layer, x), layer(x)
    yield nn.Softmax2d()(torch.arange(8.0).reshape(2, 2, 2)), repr(nn.Softmax2d())
    yield refused(nn.Softmax2d(), x)
    yield refused(F.softmax, x, 2)
    yield refused(F.softmax, torch.arange(3), 0)
    yield warned(F.softmax, torch.ones(2, 2, 2))


def dropout_draws_the_same_numbers(torch):
    nn, F = torch.nn, torch.nn.functional
    for p in (0.5, 0.2, 0.0, 1.0):
        x = torch.ones(3, 4, requires_grad=True)
        y = nn.Dropout(p)(x)
        yield y, y.grad_fn.name() if y.grad_fn is not None else None, y is x, torch.rand(1)
        y.sum().backward()
        yield x.grad
    yield F.dropout(torch.ones(2, 3).t()), F.dropout(torch.ones(4, dtype=torch.float64), 0.3)
    yield F.dropout(torch.arange(6.0), 0.5, training=False)
    layer = nn.Dropout(0.4)
    yield repr(layer), layer(torch.ones(5)), layer.eval()(torch.ones(5)), torch.rand(2)
    x = torch.ones(6)
    y = nn.Dropout(0.5, inplace=True)(x)
    yield y is x, x, repr(nn.Dropout(0.1, True))
    for p in (-0.1, 1.5):
        yield refused(nn.Dropout, p)
        yield refused(F.dropout, torch.ones(1), p)
    with torch.no_grad():
        yield F.dropout(torch.full((5,), float("inf")))
    yield F.dropout(torch.ones(0)), torch.rand(1)


def functions_refuse_what_is_no_tensor(torch):
    F = torch.nn.functional
    for f in (F.relu, F.linear, F.gelu, F.leaky_relu):
        error = refused(f, [1.0], torch.ones(1)) if f is F.linear else refused(f, [1.0])
        yield type(error).__name__
    for f in (F.gelu, F.silu, F.elu, F.softplus, F.leaky_relu):
        yield type(refused(f, torch.arange(3))).__name__
    yield refused(F.gelu, torch.ones(1), approximate="x")
    yield refused(F.hardtanh, torch.ones(1), 2.0, 1.0)


def vectors_are_prepared(torch):
    F = torch.nn.functional
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    y = F.normalize(x)
    yield y, F.normalize(x, p=1.0, dim=0)
    yield F.one_hot(torch.tensor([0, 2, 1])), F.one_hot(torch.tensor([[1], [0]]), num_classes=3)
    yield F.one_hot(torch.tensor(1), 2)
    for args in ((torch.tensor([1.0]),), (torch.tensor([-1]),), (torch.tensor([3]), 2),
                 (torch.tensor([], dtype=torch.int64),), (torch.tensor([0]), 0)):  # fmt: skip
        yield refused(F.one_hot, *args)
