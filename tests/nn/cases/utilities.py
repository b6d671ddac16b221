"""nn.utils: parameters as a vector, clipped gradients."""

from ..outcome import refused, warned


def _net(torch):
    net = torch.nn.Linear(2, 2)
    net.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    net.bias.data = torch.tensor([5.0, 6.0])
    return net


def parameters_become_a_vector_and_back(torch):
    utils = torch.nn.utils
    net = _net(torch)
    v = utils.parameters_to_vector(net.parameters())
    yield v, v.requires_grad
    utils.vector_to_parameters(torch.arange(6.0), net.parameters())
    yield net.weight, net.bias, net.weight.requires_grad
    yield refused(utils.vector_to_parameters, [1.0], net.parameters())


def _with_gradients(torch):
    net = _net(torch)
    net.weight.grad = torch.tensor([[3.0, 0.0], [0.0, -4.0]])
    return net


def gradients_are_clipped_by_norm(torch):
    clip = torch.nn.utils.clip_grad_norm_
    for bound, kind in ((1.0, 2.0), (100.0, 2), (1.0, float("inf")), (0.5, 1.0)):
        net = _with_gradients(torch)
        yield clip(net.parameters(), bound, kind), net.weight.grad, net.bias.grad
    net = _with_gradients(torch)
    net.bias.grad = torch.tensor([12.0, 0.0])
    grad = net.weight.grad
    yield clip([net.weight, net.bias], 6.5), net.weight.grad, net.bias.grad, net.weight.grad is grad
    yield clip(net.weight, 1.0), net.weight.grad
    yield clip([torch.nn.Parameter(torch.ones(1))], 1.0), clip([], 1.0)
    yield warned(clip, (p for p in []), 1.0)
    net.weight.grad = torch.full((2, 2), float("nan"))
    yield refused(clip, [net.weight], 1.0, error_if_nonfinite=True)
    yield clip([net.weight], 1.0), net.weight.grad
    yield warned(torch.nn.utils.clip_grad_norm, net.parameters(), 1.0)


def norms_are_computed_alone(torch):
    utils = torch.nn.utils
    yield utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    net = _with_gradients(torch)
    utils.clip_grads_with_norm_(net.parameters(), 1.0, torch.tensor(10.0))
    yield net.weight.grad


def gradients_are_clipped_by_value(torch):
    clip = torch.nn.utils.clip_grad_value_
    net = _with_gradients(torch)
    grad = net.weight.grad
    yield clip(net.parameters(), 2), net.weight.grad, net.weight.grad is grad
    clip(net.weight, 0.5)
    yield net.weight.grad
