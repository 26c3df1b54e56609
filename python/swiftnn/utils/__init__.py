"""Helpers round modules: sequences of different lengths (`rnn`), parameters as one vector."""

from __future__ import annotations

from . import rnn
from .convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = ["parameters_to_vector", "rnn", "vector_to_parameters"]
