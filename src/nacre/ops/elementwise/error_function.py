"""The error function, whose gradient is a power's exponential."""

from __future__ import annotations

import math

import numpy as np

from nacre.ops.elementwise.arithmetic import mul, neg
from nacre.ops.elementwise.functions import exp, function
from nacre.ops.elementwise.powers import pow_to

erf = function(
    "erf",
    lambda x: np.vectorize(math.erf, otypes=[x.dtype])(x) if x.size else x,
    lambda ctx, g: (mul(g, mul(exp(neg(pow_to(ctx[0], 2.0))), 2 / math.sqrt(math.pi))),),
    ((0,),),
    lambda e, x: e.erf(x),
)
