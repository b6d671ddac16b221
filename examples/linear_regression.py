"""Linear regression from scratch, with nothing but tensors and gradients.

nacre run examples/linear_regression.py
"""

import torch

torch.manual_seed(0)
true_w, true_b = torch.tensor([2.0, -3.4]), 4.2
X = torch.randn(1000, 2)
y = X @ true_w + true_b + 0.01 * torch.randn(1000)

w = torch.zeros(2, requires_grad=True)
b = torch.zeros(1, requires_grad=True)

for epoch in range(3):
    for batch in torch.randperm(len(X)).split(10):
        loss = ((X[batch] @ w + b - y[batch]) ** 2).mean() / 2
        loss.backward()
        with torch.no_grad():
            for parameter in (w, b):
                parameter -= 0.03 * parameter.grad
                parameter.grad = None
    with torch.no_grad():
        print(f"epoch {epoch + 1}, loss {((X @ w + b - y) ** 2).mean().item() / 2:.6f}")

print("error of w:", (true_w - w.detach()).abs().max().item() < 0.01)
print("error of b:", (true_b - b.detach()).abs().max().item() < 0.01)
