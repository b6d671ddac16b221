"""Initialisation: the same random numbers, and the state of the generator afterwards."""

from ..outcome import refused, warned


def _after(torch):
    """A number that tells whether as many were drawn."""
    return torch.rand(1)


def layers_start_with_the_same_values(torch):
    nn = torch.nn
    for layer in (nn.Linear(3, 2), nn.Linear(20, 3, bias=False), nn.Bilinear(2, 3, 2), nn.PReLU(2)):
        yield list(layer.state_dict().values())
    yield nn.Linear(4, 4, dtype=torch.float64).weight, _after(torch)
    layer = nn.Linear(2, 2)
    layer.reset_parameters()
    yield layer.weight, layer.bias


def empty_layers_warn(torch):
    yield warned(torch.nn.Linear, 0, 3)
    yield warned(torch.nn.Linear, 3, 0)
    yield torch.nn.Linear(0, 2)(torch.ones(2, 0))


def constants(torch):
    init = torch.nn.init
    w = torch.empty(2, 3)
    yield init.constant_(w, 0.5) is w, w
    yield init.ones_(w), init.zeros_(torch.ones(2)), init.eye_(torch.empty(3, 2))
    for shape, groups in (((2, 2, 3), 1), ((4, 2, 3, 3), 2), ((2, 1, 2, 1, 3), 1)):
        yield init.dirac_(torch.ones(*shape), groups)
    yield refused(init.eye_, torch.empty(2))
    yield refused(init.dirac_, torch.empty(2, 2))
    yield refused(init.dirac_, torch.empty(3, 2, 2), 2)
    p = torch.nn.Parameter(torch.ones(2))
    init.constant_(p, 3)
    yield p, p.requires_grad, p._version


def random(torch):
    init = torch.nn.init
    for shape in ((2, 3), (5, 7), (4,), (40,)):
        yield init.uniform_(torch.empty(shape)), init.uniform_(torch.empty(shape), -2.0, 3.0)
        yield init.normal_(torch.empty(shape)), init.normal_(torch.empty(shape), 1.0, 0.1)
    yield init.normal_(torch.empty(3, dtype=torch.float64)), _after(torch)
    g = torch.Generator().manual_seed(3)
    yield init.uniform_(torch.empty(2), generator=g), init.normal_(torch.empty(2), generator=g)
    yield refused(init.uniform_, torch.empty(2), 1.0, 0.0)
    yield refused(init.normal_, torch.empty(2), 0.0, -1.0)


def truncated_normal(torch):
    init = torch.nn.init
    for bounds in ((), (0.0, 1.0, -1.0, 1.0), (0.0, 1.0, 0.5, 0.75), (2.0, 1.0, -2.0, 2.0)):
        yield init.trunc_normal_(torch.empty(3, 4), *bounds), _after(torch)
        yield init.trunc_normal_(torch.empty(30), *bounds), _after(torch)
    yield init.trunc_normal_(torch.empty(5, dtype=torch.float64), std=0.02), _after(torch)
    yield init.trunc_normal_(torch.empty(6), 0.0, 1.0, 1.5, 4.0), _after(torch)
    yield init.trunc_normal_(torch.empty(6), 0.5, 2.0, 5.0, 6.0), _after(torch)
    yield warned(init.trunc_normal_, torch.empty(2), 5.0, 1.0, -1.0, 1.0)


def by_the_size_of_the_layer(torch):
    init = torch.nn.init
    for shape in ((3, 5), (2, 3, 4, 4)):
        w = torch.empty(shape)
        yield init.xavier_uniform_(w).clone().reshape(-1)[:12]
        yield init.xavier_normal_(w, gain=2.0).clone().reshape(-1)[:12]
        yield init.kaiming_uniform_(w).clone().reshape(-1)[:12]
        yield init.kaiming_uniform_(w, a=0.3, mode="fan_out").clone().reshape(-1)[:12]
        yield init.kaiming_normal_(w, nonlinearity="relu").clone().reshape(-1)[:12]
        yield init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh").clone().reshape(-1)[:12]
    yield _after(torch)
    yield init._calculate_fan_in_and_fan_out(torch.empty(2, 3, 4, 5))
    for fill in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_normal_):
        yield refused(fill, torch.empty(3))
    yield refused(init.kaiming_uniform_, torch.empty(3, 3), mode="fan")
    yield refused(init.kaiming_uniform_, torch.empty(3, 3), nonlinearity="gelu")
    yield warned(init.kaiming_uniform_, torch.empty(0, 3))
    yield warned(init.kaiming_normal_, torch.empty(3, 0))


def orthogonal_matrices(torch):
    init = torch.nn.init
    for shape in ((3, 3), (2, 4), (4, 2), (2, 3, 2)):
        yield init.orthogonal_(torch.empty(shape))
    yield init.orthogonal_(torch.empty(3, 3, dtype=torch.float64), gain=2.0), _after(torch)
    yield init.orthogonal_(torch.empty(0, 3))
    yield refused(init.orthogonal_, torch.empty(3))


def sparse_matrices(torch):
    init = torch.nn.init
    yield init.sparse_(torch.empty(5, 3), 0.4), _after(torch)
    yield init.sparse_(torch.empty(3, 6), 0.9, std=1.0), _after(torch)
    yield refused(init.sparse_, torch.empty(3), 0.1)


def gains(torch):
    gain = torch.nn.init.calculate_gain
    for name in ("linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu"):
        yield gain(name)
    yield gain("leaky_relu"), gain("leaky_relu", 0.3), gain("leaky_relu", 2)
    yield refused(gain, "leaky_relu", True)
    yield refused(gain, "leaky_relu", "x")
    yield refused(gain, "swish")


def older_names_warn(torch):
    init = torch.nn.init
    yield warned(init.uniform, torch.empty(2, 2)), warned(init.constant, torch.empty(2), 1.0)
    yield warned(init.xavier_uniform, torch.empty(2, 2)), warned(init.eye, torch.empty(2, 2))
    for name in ("normal", "kaiming_uniform", "kaiming_normal", "xavier_normal", "orthogonal"):
        yield name, warned(getattr(init, name), torch.empty(2, 2))
    yield warned(init.sparse, torch.empty(2, 2), 0.5), warned(init.dirac, torch.empty(2, 2, 2))
    yield init.constant(torch.empty(2), 7.0)


def views_and_layouts_are_filled(torch):
    init = torch.nn.init
    w = torch.zeros(3, 4)
    init.ones_(w[1])
    init.uniform_(w[:, 2])
    yield w
    yield init.normal_(torch.zeros(5, 4).t()), init.uniform_(torch.zeros(2, 3).t())
    yield init.kaiming_uniform_(torch.zeros(4, 3).t()), init.orthogonal_(torch.zeros(4, 3).t())
