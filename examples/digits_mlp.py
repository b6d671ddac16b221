"""A multilayer perceptron reads handwritten digits; its mistakes are shown as text.

nacre run examples/digits_mlp.py
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nacre.cli import digits

torch.manual_seed(0)
images, labels = digits.load()
X = torch.tensor(images, dtype=torch.float32) / 16
y = torch.tensor(labels, dtype=torch.int64)
order = torch.randperm(len(y))
train, test = order[360:], order[:360]

net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
loss = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
loader = DataLoader(TensorDataset(X[train], y[train]), batch_size=32, shuffle=True)

for epoch in range(10):
    net.train()
    for pixels, digit in loader:
        batch_loss = loss(net(pixels), digit)
        optimizer.zero_grad()
        batch_loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        guess = net(X[test]).argmax(dim=1)
    print(f"epoch {epoch + 1}, test accuracy {(guess == y[test]).float().mean().item():.1%}")

wrong = int(test[guess != y[test]][0])
print(f"read as {net(X[wrong : wrong + 1]).argmax().item()}, but it is a {y[wrong].item()}:")
for row in X[wrong].tolist():
    print("".join(" .:*#"[int(pixel * 4)] * 2 for pixel in row))
