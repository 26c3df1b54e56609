"""Plain NumPy float64 writing of every row of ops.def: the specification of swiftnn in code.

A function has the name of its row and takes the row's fields by name; results are float64 (integers where the row says so).
"""

from . import constants
from .activation import activation_forward, prelu_forward
from .arithmetic import combine_forward
from .attention import attention_forward
from .conv import conv_forward, conv_transpose_forward
from .dropout import dropout_forward
from .embedding import embedding_bag_forward, embedding_forward
from .grid_sample import grid_sample_forward
from .interpolate import interpolate_forward
from .linear import bilinear_forward, linear_forward, matmul_forward
from .loss import cross_entropy_forward, ctc_loss_forward, nll_loss_forward, pointwise_loss_forward
from .normalization import batch_norm_forward, batch_stats_forward, group_norm_forward, layer_norm_forward, rms_norm_forward
from .padding import pad_forward
from .pooling import (
    adaptive_avg_pool_forward,
    adaptive_max_pool_forward,
    avg_pool_forward,
    fold_forward,
    max_pool_forward,
    max_unpool_forward,
    unfold_forward,
)
from .random import random_forward
from .rnn import rnn_cell_forward, rnn_forward
from .softmax import softmax_forward

OPERATIONS = {name: value for name, value in list(globals().items()) if name.endswith("_forward")}

__all__ = ["constants", "OPERATIONS", *OPERATIONS]
