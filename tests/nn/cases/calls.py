"""Calling modules: hooks before and after, forward and backward."""

from collections import OrderedDict

from ..outcome import refused, warned


def _linear(torch, value=2.0):
    layer = torch.nn.Linear(2, 1)
    layer.weight.data.fill_(value)
    layer.bias.data.fill_(1.0)
    return layer


def arguments_pass_through(torch):
    class Several(torch.nn.Module):
        def forward(self, a, b=2, *rest, c=3, **more):
            return a, b, rest, c, more

    net = Several()
    yield net(1), net(1, 5, 6, c=7, d=8), net(a=4)
    net.forward = lambda x: x + 1
    yield net(1)


def forward_hooks_run_in_order(torch):
    layer = _linear(torch)
    seen = []
    layer.register_forward_pre_hook(lambda m, args: seen.append(("pre", args)))
    layer.register_forward_hook(lambda m, args, out: seen.append(("first", out.detach())))
    handle = layer.register_forward_hook(lambda m, args, out: seen.append("second"))
    layer.register_forward_hook(lambda m, args, out: seen.append("front"), prepend=True)
    layer.register_forward_pre_hook(lambda m, args: seen.append("pre front"), prepend=True)
    y = layer(torch.ones(1, 2))
    yield y, seen
    handle.remove()
    handle.remove()
    seen.clear()
    layer(torch.ones(1, 2))
    yield len(seen), len(layer._forward_hooks), len(layer._forward_pre_hooks)
    with layer.register_forward_hook(lambda m, args, out: seen.append("with")):
        layer(torch.ones(1, 2))
    layer(torch.ones(1, 2))
    yield seen.count("with")
    layer._forward_hooks.clear()
    layer._forward_pre_hooks.clear()
    seen.clear()
    layer(torch.ones(1, 2))
    yield seen


def tables_of_hooks_may_be_replaced(torch):
    layer = _linear(torch)
    seen = []
    table = OrderedDict()
    layer._forward_hooks = table
    table[1] = lambda m, args, out: seen.append("by hand")
    layer(torch.ones(1, 2))
    table.clear()
    layer(torch.ones(1, 2))
    layer.register_forward_hook(lambda m, args, out: seen.append("registered"))
    layer(torch.ones(1, 2))
    other = _linear(torch)
    other._forward_hooks = table
    other(torch.ones(1, 2))
    yield seen, len(table)


def hooks_change_arguments_and_results(torch):
    layer = _linear(torch)
    one = layer.register_forward_pre_hook(lambda m, args: args[0] * 10)
    two = layer.register_forward_hook(lambda m, args, out: out + args[0].sum())
    yield layer(torch.ones(1, 2))
    one.remove()
    layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    yield layer(torch.ones(1, 2))
    two.remove()
    yield layer(torch.ones(1, 2))


def hooks_see_keyword_arguments(torch):
    class Scaled(torch.nn.Module):
        def forward(self, x, scale=1):
            return x * scale

    net = Scaled()
    net.register_forward_pre_hook(lambda m, args, kw: (args, {"scale": 3}), with_kwargs=True)
    seen = []
    net.register_forward_hook(lambda m, args, kw, out: seen.append((args, kw)), with_kwargs=True)
    net.register_forward_hook(lambda m, args, out: seen.append(args))
    yield net(torch.ones(1), scale=2), seen
    net.register_forward_pre_hook(lambda m, args, kw: 3, with_kwargs=True)
    yield refused(net, torch.ones(1))


def hooks_that_are_always_called(torch):
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    net = Broken()
    seen = []
    net.register_forward_hook(lambda m, args, out: seen.append("no"))
    net.register_forward_hook(lambda m, args, out: seen.append(("yes", out)), always_call=True)
    yield refused(net, 1), seen

    def fail(m, args, out):
        raise KeyError("hook")

    net.register_forward_hook(fail, always_call=True)
    yield warned(refused, net, 1)


def hooks_of_all_modules(torch):
    nn = torch.nn
    module = nn.modules.module
    seen = []
    net = nn.Sequential(_linear(torch), nn.ReLU())
    handles = [
        module.register_module_forward_pre_hook(
            lambda m, args: seen.append(("pre", type(m).__name__))
        ),
        module.register_module_forward_hook(
            lambda m, args, out: seen.append(("post", type(m).__name__))
        ),
    ]
    net(torch.ones(1, 2))
    for handle in handles:
        handle.remove()
    net(torch.ones(1, 2))
    yield seen


def backward_hooks_see_gradients(torch):
    layer = _linear(torch)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(("full", gi, go)))
    layer.register_full_backward_pre_hook(lambda m, go: seen.append(("pre", go)))
    x = torch.ones(1, 2, requires_grad=True)
    y = layer(x)
    yield repr(y)
    (y * 3).sum().backward()
    yield seen, x.grad, layer.weight.grad
    seen.clear()
    layer._backward_hooks.clear()
    layer._backward_pre_hooks.clear()
    layer(x).sum().backward()
    yield seen, x.grad


def backward_hooks_change_gradients(torch):
    layer = _linear(torch)
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 10,))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    x = torch.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    yield x.grad, layer.weight.grad, layer.bias.grad


def backward_hooks_of_several_arguments(torch):
    class Both(torch.nn.Module):
        def forward(self, a, b, scale):
            return a * scale, b + 1, "text"

    net = Both()
    seen = []
    net.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a = torch.ones(2, requires_grad=True)
    b = torch.ones(2)
    p, q, text = net(a, b, 3.0)
    (p.sum() + q.sum()).backward()
    yield seen, a.grad, q.requires_grad, text


def backward_hooks_without_inputs_that_need_gradients(torch):
    layer = _linear(torch)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    y = layer(torch.ones(1, 2))
    yield warned(y.sum().backward), seen, layer.weight.grad


def backward_hooks_are_checked(torch):
    layer = _linear(torch)
    layer.register_full_backward_hook(lambda m, gi, go: None)
    yield refused(layer.register_backward_hook, print)
    other = _linear(torch)
    other.register_backward_hook(lambda m, gi, go: None)
    yield refused(other.register_full_backward_hook, print)
    x = torch.ones(1, 2, requires_grad=True)
    bad = _linear(torch)
    bad.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    yield refused(bad(x).sum().backward)
    bad = _linear(torch)
    bad.register_full_backward_pre_hook(lambda m, go: (go[0], go[0]))
    yield refused(bad(x).sum().backward)
    bad = _linear(torch)
    bad.register_full_backward_hook(lambda m, gi, go: (torch.ones(1, 2),))
    yield refused(bad(torch.ones(1, 2)).sum().backward)

    class Text(torch.nn.Module):
        def forward(self, x):
            return "text"

    text = Text()
    text.register_full_backward_hook(lambda m, gi, go: None)
    yield warned(text, x)


def backward_hooks_of_the_older_kind(torch):
    layer = _linear(torch)
    seen = []
    layer.register_backward_hook(lambda m, gi, go: seen.append(go))
    x = torch.ones(1, 2, requires_grad=True)
    yield warned(layer, x)
    layer(x).sum().backward()
    yield seen, x.grad


def backward_hooks_of_all_modules(torch):
    module = torch.nn.modules.module
    seen = []
    net = torch.nn.Sequential(_linear(torch), torch.nn.ReLU())
    x = torch.ones(1, 2, requires_grad=True)
    handles = [
        module.register_module_full_backward_hook(
            lambda m, gi, go: seen.append((type(m).__name__, gi, go))
        ),
        module.register_module_full_backward_pre_hook(lambda m, go: seen.append(type(m).__name__)),
    ]
    net(x).sum().backward()
    for handle in handles:
        handle.remove()
    net(x).sum().backward()
    yield seen, x.grad


def hooks_do_nothing_without_gradients(torch):
    layer = _linear(torch)
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(1))
    with torch.no_grad():
        yield layer(torch.ones(1, 2)).grad_fn
    yield seen


def hooks_go_along_with_copies(torch):
    import copy

    layer = _linear(torch)
    layer.register_forward_hook(_plus_one)
    other = copy.deepcopy(layer)
    yield layer(torch.ones(1, 2)), other(torch.ones(1, 2)), len(other._forward_hooks)


def _plus_one(module, args, out):
    return out + 1
