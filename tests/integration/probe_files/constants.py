"""The weights of all models, whose sums of products no order of adding changes."""

import numpy as np

KERNEL = (np.arange(12).reshape(4, 3) % 7 - 3).astype(np.float32) / 4
BIAS = (np.arange(3) % 7 - 3).astype(np.float32) / 4
HEAD = (np.arange(6).reshape(3, 2) % 5 - 2).astype(np.float32) / 2
