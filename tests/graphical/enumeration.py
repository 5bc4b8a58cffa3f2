"""The oracle: the joint table by brute force in numpy, with no code of the library."""

import itertools
import math

import numpy as np


def joint_of(factors):
    """Multiply factors cell by cell; return (variables, normalised-by-nothing joint array)."""
    sizes = {}
    for factor in factors:
        for name, size in zip(factor.variables, factor.values.shape, strict=True):
            sizes[name] = size
    variables = list(sizes)
    tables = [
        ([variables.index(name) for name in factor.variables], factor.values.detach().numpy())
        for factor in factors
    ]
    joint = np.empty(tuple(sizes.values()))
    for cell in itertools.product(*(range(k) for k in sizes.values())):
        joint[cell] = math.prod(table[tuple(cell[a] for a in axes)] for axes, table in tables)
    return variables, joint


def clamped(variables, joint, evidence):
    """Set every cell that contradicts the evidence to zero."""
    joint = joint.copy()
    for name, state in evidence.items():
        axis = variables.index(name)
        other = [k for k in range(joint.shape[axis]) if k != state]
        np.moveaxis(joint, axis, 0)[other] = 0
    return joint


def marginal_of(variables, joint, asked):
    """Sum out everything else and normalise; axes in the order asked."""
    axes = [variables.index(name) for name in asked]
    rest = tuple(a for a in range(joint.ndim) if a not in axes)
    table = joint.sum(rest)
    order = np.argsort(np.argsort(axes))
    return table.transpose(order) / table.sum()
