"""What `import torch` finds in a process that a nacre program started: it makes torch nacre."""

from nacre.compat import install

install()
