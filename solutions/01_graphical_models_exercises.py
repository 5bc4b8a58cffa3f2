"""Exercises of unit 01: references, inputs, tolerances, known mistakes and other right answers.

Instructors only. `gencourse build` turns the references and the known mistakes into cases, plain
numbers; no line of this file reaches a student. The draws are hand-shaped and then rejected until
every mistake is far from the right answer, so that no case lets a mistake through by luck.

Which exercise asks the central idea of which row of the curriculum is in `ROWS`.
"""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.authoring.contract import Exercise, Mistake, Test, Wrong
from gencourse.exercises.evaluators import binary_logistic

ROWS = {
    "1.1": ("count-parameters", "ancestral-sampler", "mixture-likelihood"),
    "1.2": ("independence-gap",),
    "1.3": ("count-parameters", "ancestral-sampler", "three-tasks"),
    "1.4": ("d-connected",),
    "1.5": ("count-parameters",),
    "1.6": ("three-tasks",),
    "1.7": ("three-tasks", "tree-message"),
    "1.8": ("spam-filter", "train-logistic"),
    "1.9": ("gaussian-to-logistic",),
    "1.10": ("learning-curves",),
    "1.11": ("count-parameters",),
    "1.12": ("mixture-likelihood",),
    "1.13": ("learn-tree",),
}


# --- draws ------------------------------------------------------------------------------


def as_tensors(value):
    """Return a call with its arrays as tensors, as an answer receives them."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, dict):
        return {name: as_tensors(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_tensors(part) for part in value]
    return value


def flat(output):
    """Return all numbers of a tree of tensors, arrays and numbers as one float array."""
    if isinstance(output, dict):
        output = [output[name] for name in sorted(output)]
    if isinstance(output, (list, tuple)):
        return np.concatenate([flat(part) for part in output]) if output else np.zeros(0)
    if isinstance(output, torch.Tensor):
        output = output.detach().numpy()
    return np.asarray(output, float).ravel()


def apart(one, other, margin):
    """Tell whether two outputs differ in shape, or somewhere by more than `margin`."""
    one, other = flat(one), flat(other)
    return one.shape != other.shape or not np.all(np.abs(one - other) <= margin)


def separated(rng, draw, run, right, others, margin, distinct=False):
    """Draw calls until every one of `others` is further than `margin` from the right output.

    Args:
        rng: the generator that the exercise was given.
        draw: makes a call from `rng`, or None to have another try.
        run: (answer, call) -> output.
        right: the reference.
        others: the wrong answers that the call has to tell from it.
        margin: least difference, absolute.
        distinct: the wrong answers have to differ from one another too, to get their own words.
    """
    for _ in range(2000):
        call = draw(rng)
        if call is None:
            continue
        outputs = []
        for answer in (right, *others):
            output = run(answer, as_tensors(call))
            if not all(
                apart(output, other, margin) for other in (outputs if distinct else outputs[:1])
            ):
                break
            outputs.append(output)
        else:
            return call
    raise RuntimeError(f"{draw.__name__}: no draw tells all the mistakes from the right answer")


def run_function(answer, call):
    """Call a function with keyword arguments."""
    return answer(**call)


def run_class(answer, call):
    """Make an object and collect what its methods return."""
    made = answer(**call["init"])
    return [getattr(made, method)(**kwargs) for method, kwargs in call["calls"]]


def simplex(rng, *shape, steps=100):
    """Return probabilities over the last axis, multiples of 1/steps and none of them 0."""
    rows = [
        rng.multinomial(steps - 4 * shape[-1], rng.dirichlet(np.ones(shape[-1]))) + 4
        for _ in range(math.prod(shape[:-1]))
    ]
    return np.array(rows).reshape(shape) / steps


def random_parents(rng, n, most):
    """Return the parents of n variables, each chosen among the earlier ones."""
    return [
        sorted(rng.permutation(i)[: rng.integers(0, min(i, most) + 1)].tolist()) for i in range(n)
    ]


# The red/blue network of the lecture, red = 0 and blue = 1.
RED_BLUE_PARENTS = [[], [0], [], [1, 2], [2]]
RED_BLUE = [
    np.array([0.4, 0.6]),
    np.array([[0.7, 0.3], [0.5, 0.5]]),
    np.array([0.6, 0.4]),
    np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.6, 0.4], [0.3, 0.7]]]),
    np.array([[0.7, 0.3], [0.4, 0.6]]),
]
# The student network, states listed as (d, i, g, s, l).
STUDENT_PARENTS = [[], [], [0, 1], [1], [2]]


# --- 1. count-parameters ----------------------------------------------------------------


def count_with(cardinalities, parents, forms, hidden, tied, table, logistic, neural, share=True):
    """Add up the numbers of all conditionals, each form counted by a function of its own."""
    total, counted = 0, set()
    for i, above in enumerate(parents):
        group = next((tuple(g) for g in tied if i in g), (i,))
        if share and group in counted:
            continue
        counted.add(group)
        if forms[i] == "table":
            total += table(cardinalities[i], [cardinalities[j] for j in above])
        elif forms[i] == "logistic":
            total += logistic(len(above))
        else:
            total += neural(len(above), hidden)
    return total


def table_numbers(k, above):
    return (k - 1) * math.prod(above)


def logistic_numbers(m):
    return m + 1


def neural_numbers(m, h):
    return h * (m + 1) + h + 1


def count_reference(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        table_numbers,
        logistic_numbers,
        neural_numbers,
    )


def count_by_listing(cardinalities, parents, forms, hidden, tied):
    """List every row of every table and let every weight be an array, then count."""
    representatives = {
        i: min([g for g in tied if i in g] or [[i]])[0] for i in range(len(parents))
    }
    sizes = []
    for i in sorted(set(representatives.values())):
        m = len(parents[i])
        if forms[i] == "table":
            rows = list(itertools.product(*[range(cardinalities[j]) for j in parents[i]]))
            sizes += [cardinalities[i] - 1 for _ in rows]
        elif forms[i] == "logistic":
            sizes += [np.zeros(m).size, 1]
        else:
            sizes += [np.zeros((hidden, m)).size, np.zeros(hidden).size, np.zeros(hidden).size, 1]
    return np.array([sum(sizes)], dtype=np.float32)


def count_by_torch(cardinalities, parents, forms, hidden, tied):
    """Build each conditional as a torch module and ask it for its parameters."""
    twins = {j for group in tied for j in group[1:]}
    total = torch.tensor(0)
    for i, form in enumerate(forms):
        if i in twins:
            continue
        m = len(parents[i])
        if form == "table":
            shape = [cardinalities[j] for j in parents[i]] + [cardinalities[i] - 1]
            total = total + torch.zeros(shape).numel()
            continue
        layers = [torch.nn.Linear(m, 1)]
        if form == "neural":
            layers = [torch.nn.Linear(m, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 1)]
        total = total + sum(p.numel() for p in torch.nn.Sequential(*layers).parameters())
    return total


def count_joint(cardinalities, parents, forms, hidden, tied):
    return math.prod(cardinalities) - 1


def unnormalised_numbers(k, above):
    return k * math.prod(above)


def count_unnormalised(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        unnormalised_numbers,
        logistic_numbers,
        neural_numbers,
    )


def count_independent(cardinalities, parents, forms, hidden, tied):
    return sum(k - 1 for k in cardinalities)


def added_numbers(k, above):
    return (k - 1) * max(sum(above), 1)


def count_parents_added(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        added_numbers,
        logistic_numbers,
        neural_numbers,
    )


def binary_numbers(k, above):
    return (k - 1) * 2 ** len(above)


def count_parents_binary(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        binary_numbers,
        logistic_numbers,
        neural_numbers,
    )


def one_less_at_the_end(k, above):
    return k * math.prod(above) - 1


def count_one_constraint_a_table(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        one_less_at_the_end,
        logistic_numbers,
        neural_numbers,
    )


def count_edges(cardinalities, parents, forms, hidden, tied):
    return len(parents) + sum(len(above) for above in parents)


def count_untied(cardinalities, parents, forms, hidden, tied):
    return count_reference(cardinalities, parents, forms, hidden, [])


def count_tied_dropped(cardinalities, parents, forms, hidden, tied):
    shared = [group[0] for group in tied]
    return count_reference(cardinalities, parents, forms, hidden, tied) - sum(
        table_numbers(cardinalities[i], [cardinalities[j] for j in parents[i]]) for i in shared
    )


def count_tied_with_first(cardinalities, parents, forms, hidden, tied):
    return count_reference(cardinalities, parents, forms, hidden, tied) - (cardinalities[0] - 1)


def count_by_shape(cardinalities, parents, forms, hidden, tied):
    """Count tables of equal shape once, as if they had to be the same."""
    shapes = {
        (k, *(cardinalities[j] for j in above))
        for k, above in zip(cardinalities, parents, strict=True)
    }
    return sum(table_numbers(shape[0], shape[1:]) for shape in shapes)


def logistic_without_offset(m):
    return m


def neural_without_offset(m, h):
    return h * (m + 1) + h


def count_no_offset(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        table_numbers,
        logistic_without_offset,
        neural_without_offset,
    )


def neural_without_biases(m, h):
    return h * m + h + 1


def count_no_hidden_biases(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        table_numbers,
        logistic_numbers,
        neural_without_biases,
    )


def neural_without_top(m, h):
    return h * (m + 1)


def count_no_output_layer(cardinalities, parents, forms, hidden, tied):
    return count_with(
        cardinalities,
        parents,
        forms,
        hidden,
        tied,
        table_numbers,
        logistic_numbers,
        neural_without_top,
    )


def count_all_tables(cardinalities, parents, forms, hidden, tied):
    return count_reference(cardinalities, parents, ["table"] * len(parents), hidden, tied)


def draw_tables(rng):
    n = int(rng.integers(5, 7))
    return {
        "cardinalities": rng.integers(2, 6, size=n).tolist(),
        "parents": random_parents(rng, n, 3),
        "forms": ["table"] * n,
        "hidden": 0,
        "tied": [],
    }


def tables_inputs(rng):
    others = (
        count_joint,
        count_unnormalised,
        count_independent,
        count_parents_added,
        count_parents_binary,
        count_one_constraint_a_table,
        count_edges,
    )
    return separated(rng, draw_tables, run_function, count_reference, others, 0.5, distinct=True)


def draw_tied(rng):
    """A chain whose steps share a table, all but the last; sometimes shared emissions too."""
    order, k, length = int(rng.integers(1, 3)), int(rng.integers(2, 5)), int(rng.integers(5, 9))
    parents = [list(range(max(0, t - order), t)) for t in range(length)]
    tied, cardinalities = [list(range(order, length - 1))], [k] * length
    if rng.random() < 0.5:  # what each step emits, with a shared table of its own
        seen = int(rng.integers(2, 6))
        tied.append(list(range(length, 2 * length)))
        parents += [[t] for t in range(length)]
        cardinalities += [seen] * length
    return {
        "cardinalities": cardinalities,
        "parents": parents,
        "forms": ["table"] * len(parents),
        "hidden": 0,
        "tied": tied,
    }


def tied_inputs(rng):
    others = (
        count_untied,
        count_tied_dropped,
        count_tied_with_first,
        count_joint,
        count_unnormalised,
        count_by_shape,
    )
    return separated(rng, draw_tied, run_function, count_reference, others, 0.5, distinct=True)


def draw_forms(rng):
    n = int(rng.integers(5, 8))
    parents = random_parents(rng, n, 4)
    inner = [i for i in range(n) if parents[i]]
    if len(inner) < 3:
        return None
    forms = ["table"] * n
    kinds = ["logistic", "neural", *rng.choice(["table", "logistic", "neural"], size=n).tolist()]
    for i, kind in zip(rng.permutation(inner).tolist(), kinds, strict=False):
        forms[i] = kind
    return {
        "cardinalities": [2] * n,
        "parents": parents,
        "forms": forms,
        "hidden": int(rng.integers(2, 7)),
        "tied": [],
    }


def forms_inputs(rng):
    others = (count_no_offset, count_no_hidden_biases, count_no_output_layer, count_all_tables)
    return separated(rng, draw_forms, run_function, count_reference, others, 0.5, distinct=True)


COUNT = Exercise(
    id="count-parameters",
    answer="count_parameters",
    kind="function",
    title="How many numbers does a model need?",
    minutes=20,
    reference=count_reference,
    rtol=0.0,
    atol=0.25,
    tests=[
        Test(
            "tables",
            1,
            tables_inputs,
            fixed=[
                {
                    "cardinalities": [2] * 5,
                    "parents": RED_BLUE_PARENTS,
                    "forms": ["table"] * 5,
                    "hidden": 0,
                    "tied": [],
                },
                {
                    "cardinalities": [2, 3, 4, 2, 3],
                    "parents": STUDENT_PARENTS,
                    "forms": ["table"] * 5,
                    "hidden": 0,
                    "tied": [],
                },
            ],
        ),
        Test(
            "tied",
            1,
            tied_inputs,
            fixed=[
                {
                    "cardinalities": [2] * 9,
                    "parents": [[], *[[t] for t in range(8)]],
                    "forms": ["table"] * 9,
                    "hidden": 0,
                    "tied": [list(range(1, 9))],
                }
            ],
        ),
        Test(
            "forms",
            1,
            forms_inputs,
            cases=4,
            fixed=[
                {
                    "cardinalities": [2] * 4,
                    "parents": [[], [0], [0, 1], [0, 1, 2]],
                    "forms": ["table", "table", "logistic", "neural"],
                    "hidden": 5,
                    "tied": [],
                }
            ],
        ),
    ],
    mistakes=[
        Mistake(
            count_joint,
            "That is the size of the whole joint table: the graph has not been used.",
            test="tables",
        ),
        Mistake(
            count_unnormalised,
            "Too many: the entries of each row add up to 1, so not all of them are free.",
            test="tables",
        ),
        Mistake(
            count_independent,
            "That is right for independent variables only: a variable with parents needs a "
            "distribution for every setting of them.",
            test="tables",
        ),
        Mistake(
            count_parents_added,
            "How many joint settings do two parents have? Not the sum of their numbers of states.",
            test="tables",
        ),
        Mistake(
            count_parents_binary, "You count every parent as if it had two states.", test="tables"
        ),
        Mistake(
            count_one_constraint_a_table,
            "You take one number off each table; how many of its rows have to add up to 1?",
            test="tables",
        ),
        Mistake(
            count_untied,
            "Variables of one group share one conditional, which you count once for each.",
            test="tied",
        ),
        Mistake(
            count_tied_dropped, "A shared conditional has to be stored too, once.", test="tied"
        ),
        Mistake(
            count_tied_with_first,
            "The first variable has its own distribution: a chain has to start somewhere.",
            test="tied",
        ),
        Mistake(
            count_no_offset,
            "The offset of the logistic function (alpha_0) is missing.",
            test="forms",
        ),
        Mistake(
            count_no_hidden_biases,
            "The hidden units have biases b besides the matrix A.",
            test="forms",
        ),
        Mistake(
            count_no_output_layer,
            "The network's last step, from the hidden units to the logit, has numbers too.",
            test="forms",
        ),
        Mistake(
            count_all_tables,
            "You count every conditional as a table, whatever its form.",
            test="forms",
        ),
    ],
    wrong=[
        Wrong(count_edges, test="tables"),
        Wrong(count_joint, test="tied"),
        Wrong(count_by_shape, test="tied"),
        Wrong(count_unnormalised, test="tied"),
        Wrong(count_joint, test="forms"),
    ],
    right=[count_by_listing, count_by_torch],
    discouraged=("gencourse.graphical.num_parameters_bayes_net", "gencourse.graphical.BayesNet"),
)


# --- 2. independence-gap ----------------------------------------------------------------


def table_given(joint, a, b, given):
    """Return p(given, a, b) as an array of shape (settings of given, K_a, K_b)."""
    table = joint.numpy()
    rest = tuple(axis for axis in range(table.ndim) if axis not in (a, b, *given))
    table = table.transpose(*given, a, b, *rest)
    kept = table.shape[: len(given) + 2]
    return table.reshape(*kept, -1).sum(-1).reshape(-1, *kept[-2:])


def gap_reference(joint, a, b, given):
    table = table_given(joint, a, b, given)
    table = table[table.sum((1, 2)) > 0]
    table = table / table.sum((1, 2), keepdims=True)
    return np.abs(table - table.sum(2, keepdims=True) * table.sum(1, keepdims=True)).max()


def gap_by_loops(joint, a, b, given):
    """Add up single entries, in float32, with no table in between."""
    sums = {}
    for states in itertools.product(*[range(k) for k in joint.shape]):
        p = joint[states].float().item()
        c = tuple(states[g] for g in given)
        for key in ((c,), (c, "a", states[a]), (c, "b", states[b]), (c, states[a], states[b])):
            sums[key] = sums.get(key, 0.0) + p
    worst = 0.0
    for key, p in sums.items():
        if len(key) == 3 and key[1] not in ("a", "b"):
            c, i, j = key
            if sums[(c,)] > 0:
                product = sums[(c, "a", i)] / sums[(c,)] * sums[(c, "b", j)] / sums[(c,)]
                worst = max(worst, abs(p / sums[(c,)] - product))
    return torch.tensor([worst], dtype=torch.float32)


def gap_by_einsum(joint, a, b, given):
    """Compare p(a, b, c) p(c) with p(a, c) p(b, c), then divide by p(c) squared."""
    letters = "defghijk"[: joint.ndim]
    c = "".join(letters[g] for g in given)
    abc = torch.einsum(f"{letters}->{c}{letters[a]}{letters[b]}", joint)
    both = abc.sum((-1, -2), keepdim=True)
    difference = (abc * both - abc.sum(-1, keepdim=True) * abc.sum(-2, keepdim=True)).abs()
    return torch.where(
        both > 0, difference / both.clamp(min=1e-30) ** 2, torch.zeros_like(abc)
    ).max()


def gap_no_condition(joint, a, b, given):
    return gap_reference(joint, a, b, [])


def gap_not_divided(joint, a, b, given):
    table = table_given(joint, a, b, given)
    return np.abs(table - table.sum(2, keepdims=True) * table.sum(1, keepdims=True)).max()


def gap_posterior_shift(joint, a, b, given):
    """The largest |p(a | b, c) - p(a | c)|."""
    table = table_given(joint, a, b, given)
    table = table[table.sum((1, 2)) > 0]
    table = table / table.sum((1, 2), keepdims=True)
    column = table.sum(1, keepdims=True)
    shift = np.abs(table / np.where(column > 0, column, 1) - table.sum(2, keepdims=True))
    return np.where(column > 0, shift, 0).max()


def gap_signed(joint, a, b, given):
    table = table_given(joint, a, b, given)
    table = table[table.sum((1, 2)) > 0]
    table = table / table.sum((1, 2), keepdims=True)
    return (table - table.sum(2, keepdims=True) * table.sum(1, keepdims=True)).max()


def gap_everything_given(joint, a, b, given):
    rest = [axis for axis in range(joint.ndim) if axis not in (a, b)]
    return gap_reference(joint, a, b, rest)


def gap_first_slice(joint, a, b, given):
    """Take state 0 of the other variables where they should be summed out."""
    for axis in range(joint.ndim):
        if axis not in (a, b, *given):
            joint = joint.narrow(axis, 0, 1)
    return gap_reference(joint / joint.sum(), a, b, given)


def gap_summed(joint, a, b, given):
    table = table_given(joint, a, b, given)
    table = table[table.sum((1, 2)) > 0]
    table = table / table.sum((1, 2), keepdims=True)
    return np.abs(table - table.sum(2, keepdims=True) * table.sum(1, keepdims=True)).sum()


def gap_averaged_over_c(joint, a, b, given):
    """Weigh the conditional gaps by p(c), entry by entry, before the maximum."""
    table = table_given(joint, a, b, given)
    weight = table.sum((1, 2), keepdims=True)
    table = table / np.where(weight > 0, weight, 1)
    gap = np.abs(table - table.sum(2, keepdims=True) * table.sum(1, keepdims=True))
    return (weight * gap).sum(0).max()


def gap_nan(joint, a, b, given):
    """Divide by p(c) also where it is 0."""
    table = torch.tensor(table_given(joint, a, b, given))
    table = table / table.sum((1, 2), keepdim=True)
    return (table - table.sum(2, keepdim=True) * table.sum(1, keepdim=True)).abs().max()


def gap_uniform_c(joint, a, b, given):
    """Average the conditional tables over c before they are compared."""
    table = table_given(joint, a, b, given)
    table = table[table.sum((1, 2)) > 0]
    table = (table / table.sum((1, 2), keepdims=True)).mean(0)
    return np.abs(table - table.sum(1, keepdims=True) * table.sum(0, keepdims=True)).max()


def gap_is_independent(joint, a, b, given):
    return float(gap_reference(joint, a, b, given) < 1e-6)


GAP_MISTAKES = (
    gap_posterior_shift,
    gap_signed,
    gap_everything_given,
    gap_first_slice,
    gap_summed,
    gap_is_independent,
)
GAP_CONDITIONAL = (
    gap_no_condition,
    gap_not_divided,
    gap_posterior_shift,
    gap_everything_given,
    gap_averaged_over_c,
    gap_uniform_c,
    gap_first_slice,
)


def draw_marginal_table(rng):
    shape = rng.permutation([2, 3, 4]).tolist()
    counts = rng.multinomial(1000, rng.dirichlet(np.full(24, 0.6))).reshape(shape)
    a, b = rng.permutation(3)[:2].tolist()
    return {"joint": counts / 1000, "a": a, "b": b, "given": []}


def gap_marginal_inputs(rng):
    return separated(
        rng, draw_marginal_table, run_function, gap_reference, GAP_MISTAKES, 0.01, distinct=True
    )


def draw_conditional_table(rng):
    """Four variables, one or two of them given; one setting of these never happens."""
    shape = rng.permutation([2, 2, 3, 3]).tolist()
    counts = rng.multinomial(1000, rng.dirichlet(np.full(36, 0.3))).reshape(shape)
    axes = rng.permutation(4).tolist()
    given = axes[2:] if rng.random() < 0.3 else axes[2:3]
    never = [slice(None)] * 4
    for g in given:
        never[g] = int(rng.integers(shape[g]))
    counts[tuple(never)] = 0
    return {"joint": counts / counts.sum(), "a": axes[0], "b": axes[1], "given": given}


def gap_conditional_inputs(rng):
    return separated(rng, draw_one_given, run_function, gap_reference, GAP_CONDITIONAL, 0.01)


def draw_one_given(rng):
    call = draw_conditional_table(rng)
    return call if len(call["given"]) == 1 else None


def gap_two_given_inputs():
    """Two variables given, in an order that is not the table's, and no variable left over."""
    others = (
        gap_no_condition,
        gap_not_divided,
        gap_posterior_shift,
        gap_averaged_over_c,
        gap_uniform_c,
    )
    return separated(
        np.random.default_rng(12), draw_two_given, run_function, gap_reference, others, 0.01
    )


def draw_two_given(rng):
    call = draw_conditional_table(rng)
    return call if len(call["given"]) == 2 and call["given"][0] > call["given"][1] else None


def common_cause():
    """Independent given the cause (axis 1), dependent without; its third state never occurs."""
    cause = np.array([0.3, 0.7, 0.0])
    left = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    right = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.3, 0.5]])
    return np.einsum("c,ca,cb->acb", cause, left, right)


GAP = Exercise(
    id="independence-gap",
    answer="independence_gap",
    kind="function",
    title="How far from independent?",
    minutes=20,
    reference=gap_reference,
    rtol=1e-4,
    atol=1e-5,
    tests=[
        Test(
            "marginal",
            1,
            gap_marginal_inputs,
            fixed=[{"joint": common_cause(), "a": 0, "b": 2, "given": []}],
        ),
        Test(
            "conditional",
            1,
            gap_conditional_inputs,
            fixed=[
                {"joint": common_cause(), "a": 2, "b": 0, "given": [1]},
                gap_two_given_inputs(),
            ],
        ),
    ],
    mistakes=[
        Mistake(
            gap_posterior_shift,
            "You compare p(a | b, ...) with p(a | ...); asked are the joint p(a, b | ...) and "
            "the product of the two marginals.",
            test="marginal",
        ),
        Mistake(gap_signed, "The gap may be negative: its size is asked.", test="marginal"),
        Mistake(
            gap_everything_given,
            "Variables that are neither a, b nor given have to be summed out, not held fixed.",
            test="marginal",
        ),
        Mistake(
            gap_first_slice,
            "The other variables have to be summed out; you look at one state of them only.",
            test="marginal",
        ),
        Mistake(gap_summed, "You add the gaps up; the largest one is asked.", test="marginal"),
        Mistake(
            gap_no_condition,
            "Your answer does not depend on the given variables: you test marginal independence.",
            test="conditional",
        ),
        Mistake(
            gap_not_divided,
            "You compare entries of p(a, b, c) with p(a, c) p(b, c): the tables have to be "
            "conditional on c first.",
            test="conditional",
        ),
        Mistake(
            gap_averaged_over_c,
            "Each setting of the given variables counts fully: the largest gap is asked, not "
            "its average over c.",
            test="conditional",
        ),
    ],
    wrong=[
        Wrong(gap_is_independent, test="marginal"),
        Wrong(gap_nan, test="conditional"),
        Wrong(gap_everything_given, test="conditional"),
        Wrong(gap_posterior_shift, test="conditional"),
        Wrong(gap_uniform_c, test="conditional"),
        Wrong(gap_first_slice, test="conditional"),
    ],
    right=[gap_by_loops, gap_by_einsum],
    discouraged=("gencourse.graphical.Factor.is_independent",),
)


# --- 3. ancestral-sampler ---------------------------------------------------------------


def ancestral_order(parents):
    """Return the variables, parents before children."""
    order = []
    while len(order) < len(parents):
        order += [
            i
            for i in range(len(parents))
            if i not in order and all(j in order for j in parents[i])
        ][:1]
    return order


def sample_reference(tables, parents, uniforms):
    u = uniforms.numpy()
    states = np.zeros(u.shape, dtype=int)
    for i in ancestral_order(parents):
        rows = tables[i].numpy()[tuple(states[:, j] for j in parents[i])]
        states[:, i] = (u[:, i, None] >= np.atleast_2d(rows).cumsum(-1)).sum(-1)
    return states


def sample_one_by_one(tables, parents, uniforms):
    """Recursion on single rows, plain Python."""
    drawn = []
    for row in uniforms.tolist():
        states = {}

        def visit(i, row=row, states=states):
            if i not in states:
                table = tables[i]
                for j in parents[i]:
                    table = table[visit(j)]
                state, left = 0, row[i] - float(table[0])
                while left >= 0:
                    state += 1
                    left -= float(table[state])
                states[i] = state
            return states[i]

        drawn.append([visit(i) for i in range(len(parents))])
    return drawn


def sample_by_searchsorted(tables, parents, uniforms):
    """Batched torch in float32; sweeps over the variables until all are known."""
    batch, n = uniforms.shape
    states = torch.full((batch, n), -1)
    while (states < 0).any():
        for i in range(n):
            above = [states[:, j] for j in parents[i]]
            if any((s < 0).any() for s in above):
                continue
            rows = (
                tables[i].float()[tuple(above)] if above else tables[i].float().expand(batch, -1)
            )
            states[:, i] = torch.searchsorted(
                rows.cumsum(-1), uniforms[:, i : i + 1].float(), right=True
            )[:, 0]
    return states.double()


def sample_ignores_parents(tables, parents, uniforms):
    """Use the row for parents in state 0, whatever they are."""
    flat_tables = [t.reshape(-1, t.shape[-1])[0] for t in tables]
    return sample_reference(flat_tables, [[] for _ in parents], uniforms)


def sample_averages_parents(tables, parents, uniforms):
    """Draw every variable independently, with the average over its rows."""
    flat_tables = [t.reshape(-1, t.shape[-1]).mean(0) for t in tables]
    return sample_reference(flat_tables, [[] for _ in parents], uniforms)


def sample_mode(tables, parents, uniforms):
    """Take the most probable state given the parents."""
    states = np.zeros(tuple(uniforms.shape), dtype=int)
    for i in ancestral_order(parents):
        rows = np.atleast_2d(tables[i].numpy()[tuple(states[:, j] for j in parents[i])])
        states[:, i] = rows.argmax(-1)
    return states


def sample_one_uniform(tables, parents, uniforms):
    return sample_reference(tables, parents, uniforms[:, :1].expand_as(uniforms))


def sample_upside_down(tables, parents, uniforms):
    return sample_reference(tables, parents, 1 - uniforms)


def sample_off_by_one(tables, parents, uniforms):
    """Take the last state whose cumulative probability is still below u."""
    states = sample_reference(tables, parents, uniforms)
    for i in ancestral_order(parents):
        rows = np.atleast_2d(tables[i].numpy()[tuple(states[:, j] for j in parents[i])])
        states[:, i] = np.maximum((uniforms.numpy()[:, i, None] >= rows.cumsum(-1)).sum(-1) - 1, 0)
    return states


def sample_compares_density(tables, parents, uniforms):
    """Compare u with each probability, not with their running sum."""
    states = np.zeros(tuple(uniforms.shape), dtype=int)
    for i in ancestral_order(parents):
        rows = np.atleast_2d(tables[i].numpy()[tuple(states[:, j] for j in parents[i])])
        states[:, i] = (uniforms.numpy()[:, i, None] < rows).argmax(-1)
    return states


def sample_parents_reversed(tables, parents, uniforms):
    """Read a table with its parent axes in the wrong order."""
    turned = [t.permute(*range(t.ndim - 2, -1, -1), t.ndim - 1) for t in tables]
    turned = [
        t if t.shape == table.shape else table for t, table in zip(turned, tables, strict=True)
    ]
    return sample_reference(turned, parents, uniforms)


def sample_in_listed_order(tables, parents, uniforms):
    """Go through the variables as listed: a parent that comes later still is 0."""
    u = uniforms.numpy()
    states = np.zeros(u.shape, dtype=int)
    for i in range(len(parents)):
        rows = tables[i].numpy()[tuple(states[:, j] for j in parents[i])]
        states[:, i] = (u[:, i, None] >= np.atleast_2d(rows).cumsum(-1)).sum(-1)
    return states


def sample_uniforms_by_order(tables, parents, uniforms):
    """Let the k-th variable that is drawn use column k."""
    order = ancestral_order(parents)
    moved = torch.empty_like(uniforms)
    moved[:, order] = uniforms
    return sample_reference(tables, parents, moved)


def sample_columns_by_order(tables, parents, uniforms):
    """Return the columns in the order in which they were drawn."""
    return sample_reference(tables, parents, uniforms)[:, ancestral_order(parents)]


def sample_backwards(tables, parents, uniforms):
    """Draw children before parents."""
    states = np.zeros(tuple(uniforms.shape), dtype=int)
    for i in reversed(ancestral_order(parents)):
        rows = np.atleast_2d(tables[i].numpy()[tuple(states[:, j] for j in parents[i])])
        states[:, i] = (uniforms.numpy()[:, i, None] >= rows.cumsum(-1)).sum(-1)
    return states


SAMPLE_MISTAKES = (
    sample_ignores_parents,
    sample_averages_parents,
    sample_mode,
    sample_one_uniform,
    sample_upside_down,
    sample_off_by_one,
    sample_compares_density,
    sample_parents_reversed,
)
SAMPLE_ORDER = (
    sample_in_listed_order,
    sample_uniforms_by_order,
    sample_columns_by_order,
    sample_backwards,
)


def odd_uniforms(rng, batch, n):
    """Uniforms of the form (k + 1/2)/1000, far from any sum of probabilities in hundredths."""
    return (rng.integers(0, 1000, size=(batch, n)) + 0.5) / 1000


def draw_network(rng):
    """Five variables, listed parents first; one has two parents with equally many states."""
    parents = [[], [0], [], [1, 2], [3, 0]]
    k = int(rng.integers(2, 4))
    cards = [int(rng.integers(2, 5)), k, k, int(rng.integers(2, 5)), int(rng.integers(2, 4))]
    tables = [
        simplex(rng, *[cards[j] for j in above], cards[i]) for i, above in enumerate(parents)
    ]
    return {"tables": tables, "parents": parents, "uniforms": odd_uniforms(rng, 12, 5)}


def sampler_inputs(rng):
    return separated(rng, draw_network, run_function, sample_reference, SAMPLE_MISTAKES, 0.5)


def draw_shuffled_network(rng):
    """The same network with its variables listed in a shuffled order."""
    call, place = draw_network(rng), rng.permutation(5).tolist()
    tables, parents = [None] * 5, [None] * 5
    for i in range(5):
        tables[place[i]] = call["tables"][i]
        parents[place[i]] = [place[j] for j in call["parents"][i]]
    return {"tables": tables, "parents": parents, "uniforms": call["uniforms"]}


def shuffled_inputs(rng):
    return separated(rng, draw_shuffled_network, run_function, sample_reference, SAMPLE_ORDER, 0.5)


SAMPLER = Exercise(
    id="ancestral-sampler",
    answer="ancestral_sample",
    kind="sampler",
    title="Sampling from a Bayesian network",
    minutes=25,
    reference=sample_reference,
    tests=[
        Test(
            "parents-first",
            2,
            sampler_inputs,
            fixed=[
                {
                    "tables": RED_BLUE,
                    "parents": RED_BLUE_PARENTS,
                    "uniforms": np.array(
                        [
                            [0.3905, 0.7105, 0.5505, 0.5505, 0.6505],
                            [0.8105, 0.3305, 0.6505, 0.5805, 0.4805],
                            [0.1205, 0.6805, 0.7205, 0.7705, 0.3805],
                            [0.4105, 0.5505, 0.2105, 0.6205, 0.7505],
                            [0.9305, 0.5205, 0.9105, 0.3305, 0.2905],
                        ]
                    ),
                },
                {
                    "tables": [
                        np.array([0.25, 0.35, 0.4]),
                        np.array([[0.1, 0.9], [0.7, 0.3], [0.45, 0.55]]),
                    ],
                    "parents": [[], [0]],
                    "uniforms": np.array([[0.7205, 0.4805]]),
                },
            ],
        ),
        Test("any-order", 1, shuffled_inputs),
    ],
    mistakes=[
        Mistake(
            sample_ignores_parents,
            "The states of the parents make no difference to your samples: pick the row "
            "of the table that belongs to them.",
            test="parents-first",
        ),
        Mistake(
            sample_averages_parents,
            "You draw every variable on its own; the row of the table that belongs to "
            "the sampled parents has to be used.",
            test="parents-first",
        ),
        Mistake(
            sample_mode,
            "You take the most probable state each time: that is no sample, and the uniforms are "
            "not used.",
            test="parents-first",
        ),
        Mistake(
            sample_one_uniform,
            "All variables seem to share one uniform number: column i belongs to variable i.",
            test="parents-first",
        ),
        Mistake(
            sample_upside_down,
            "Your states count from the wrong end: small u belongs to state 0.",
            test="parents-first",
        ),
        Mistake(
            sample_off_by_one,
            "Your states are one too low: with u below the first probability the state is 0, "
            "above it at least 1.",
            test="parents-first",
        ),
        Mistake(
            sample_compares_density,
            "You compare u with single probabilities; compare it with their running sum.",
            test="parents-first",
        ),
        Mistake(
            sample_parents_reversed,
            "A table's axes follow the parents as listed, the variable itself last; you "
            "read them in another order.",
            test="parents-first",
        ),
        Mistake(
            sample_in_listed_order,
            "You draw in the order listed, so a variable may come before its parent and "
            "use a state that has not been drawn yet.",
            test="any-order",
        ),
        Mistake(
            sample_uniforms_by_order,
            "Column i of the uniforms belongs to variable i, whenever it is drawn.",
            test="any-order",
        ),
        Mistake(
            sample_columns_by_order,
            "Column i of the answer belongs to variable i, whenever it was drawn.",
            test="any-order",
        ),
    ],
    wrong=[
        Wrong(sample_backwards, test="any-order"),
        Wrong(sample_ignores_parents, test="any-order"),
        Wrong(sample_parents_reversed, test="any-order"),
    ],
    right=[sample_one_by_one, sample_by_searchsorted],
    discouraged=("gencourse.graphical.BayesNet.sample", "gencourse.graphical.BayesNet"),
)


# --- 4. d-connected ---------------------------------------------------------------------


def ancestors_of(parents, nodes):
    """Return the nodes with all their ancestors."""
    found, todo = set(), list(nodes)
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += parents[node]
    return found


def moral_graph(parents, nodes):
    """Return the edges of the moral graph on `nodes`: parents are married, directions dropped."""
    edges = set()
    for child in nodes:
        family = [j for j in parents[child] if j in nodes] + [child]
        edges |= {frozenset(pair) for pair in itertools.combinations(family, 2)}
    return edges


def joined(edges, source, target, given):
    """Tell whether two nodes are joined by a path of an undirected graph that avoids `given`."""
    seen, todo = {source}, [source]
    while todo:
        node = todo.pop()
        for edge in edges:
            if node in edge:
                (other,) = edge - {node}
                if other not in seen and other not in given:
                    seen.add(other)
                    todo.append(other)
    return target in seen


def connected_reference(parents, source, given):
    """Separation in the moral graph of the ancestors of the two nodes and the given ones."""
    answer = []
    for target in range(len(parents)):
        nodes = ancestors_of(parents, [source, target, *given])
        far = target != source and target not in given
        answer.append(far and joined(moral_graph(parents, nodes), source, target, given))
    return answer


def paths_between(parents, source, target):
    """Yield all paths without repeated nodes, whatever the directions."""
    stack = [[source]]
    while stack:
        path = stack.pop()
        if path[-1] == target:
            yield path
            continue
        for other in range(len(parents)):
            near = other in parents[path[-1]] or path[-1] in parents[other]
            if near and other not in path:
                stack.append([*path, other])


def connected_by_paths(parents, source, given, opened=None):
    """Check every path, node by node; float32 out."""
    opened = ancestors_of(parents, given) if opened is None else opened
    answer = np.zeros(len(parents), dtype=np.float32)
    for target in range(len(parents)):
        if target == source or target in given:
            continue
        for path in paths_between(parents, source, target):
            active = True
            for left, node, right in zip(path, path[1:], path[2:], strict=False):
                if left in parents[node] and right in parents[node]:
                    active &= node in opened
                else:
                    active &= node not in given
            answer[target] = max(answer[target], float(active))
    return answer


def connected_by_ball(parents, source, given):
    """Bayes ball by recursion: a ball comes from a child ("up") or from a parent ("down")."""
    n = len(parents)
    children = [[c for c in range(n) if i in parents[c]] for i in range(n)]
    seen, above = set(), ancestors_of(parents, given)

    def throw(node, direction):
        if (node, direction) in seen:
            return
        seen.add((node, direction))
        if direction == "up" and node not in given:
            for j in parents[node]:
                throw(j, "up")
            for c in children[node]:
                throw(c, "down")
        if direction == "down":
            if node not in given:
                for c in children[node]:
                    throw(c, "down")
            if node in above:
                for j in parents[node]:
                    throw(j, "up")

    throw(source, "up")
    reached = {node for node, _ in seen} - set(given) - {source}
    return torch.tensor([i in reached for i in range(n)])


def connected_numerically(parents, source, given):
    """Give every variable a random binary table and look whether the joint says dependent."""
    n, rng = len(parents), np.random.default_rng(5)
    letters = "abcdefghijklmnop"[:n]
    tables = [rng.dirichlet([1.0, 1.0], size=[2] * len(above)) for above in parents]
    spec = ",".join(
        "".join(letters[j] for j in above) + letters[i] for i, above in enumerate(parents)
    )
    joint = np.einsum(f"{spec}->{letters}", *tables)
    c = "".join(letters[g] for g in given)
    answer = []
    for i in range(n):
        if i == source or i in given:
            answer.append(0)
            continue
        table = np.einsum(f"{letters}->{c}{letters[source]}{letters[i]}", joint)
        gap = table * table.sum((-1, -2), keepdims=True) - table.sum(
            -1, keepdims=True
        ) * table.sum(-2, keepdims=True)
        answer.append(int(np.abs(gap).max() > 1e-13))
    return answer


def connected_undirected(parents, source, given):
    """Forget the directions: a path is blocked where it meets a given node, and nowhere else."""
    edges = {frozenset((i, j)) for i, above in enumerate(parents) for j in above}
    return [
        t != source and t not in given and joined(edges, source, t, given)
        for t in range(len(parents))
    ]


def connected_collider_reversed(parents, source, given):
    """Treat a collider as any other node only when it is not given: never open it."""
    return connected_by_paths(parents, source, given, opened=set())


def connected_no_descendants(parents, source, given):
    return connected_by_paths(parents, source, given, opened=set(given))


def connected_moral_everywhere(parents, source, given):
    """Marry all parents, also those whose common child has no given descendant."""
    edges = moral_graph(parents, set(range(len(parents))))
    return [
        t != source and t not in given and joined(edges, source, t, given)
        for t in range(len(parents))
    ]


def connected_descendants_only(parents, source, given):
    """Follow the arrows only."""
    return [
        t != source and t not in given and source in ancestors_along(parents, t, given)
        for t in range(len(parents))
    ]


def ancestors_along(parents, node, given):
    """Return the ancestors that are reached without passing a given node."""
    found, todo = set(), list(parents[node])
    while todo:
        j = todo.pop()
        if j not in found and j not in given:
            found.add(j)
            todo += parents[j]
    return found


def connected_passes_observed(parents, source, given):
    """Bayes ball that falls through observed nodes from a parent to the children."""
    n, above = len(parents), ancestors_of(parents, given)
    todo, seen = [(source, "up")], set()
    while todo:
        node, direction = todo.pop()
        if (node, direction) in seen:
            continue
        seen.add((node, direction))
        if direction == "down" or node not in given:
            todo += [(c, "down") for c in range(n) if node in parents[c]]
        if (direction == "up" and node not in given) or (direction == "down" and node in above):
            todo += [(j, "up") for j in parents[node]]
    reached = {node for node, _ in seen}
    return [i in reached and i != source and i not in given for i in range(n)]


def connected_opened_from_above(parents, source, given):
    """Open a collider when one of its ancestors is observed."""
    opened = [i for i in range(len(parents)) if ancestors_of(parents, [i]) & set(given)]
    return connected_by_paths(parents, source, given, opened=set(opened))


def connected_ignores_given(parents, source, given):
    answer = connected_by_paths(parents, source, [])
    answer[list(given)] = 0
    return answer


def connected_separated_instead(parents, source, given):
    """Report the separated nodes."""
    answer = connected_reference(parents, source, given)
    return [t != source and t not in given and not answer[t] for t in range(len(parents))]


def connected_with_given(parents, source, given):
    """Count the given nodes that a path ends at as connected."""
    answer = []
    for t in range(len(parents)):
        without = [g for g in given if g != t]
        answer.append(t != source and connected_reference(parents, source, without)[t])
    return answer


def connected_with_source(parents, source, given):
    answer = connected_reference(parents, source, given)
    answer[source] = True
    return answer


def connected_neighbours(parents, source, given):
    return [
        t not in given and (t in parents[source] or source in parents[t])
        for t in range(len(parents))
    ]


PATH_MISTAKES = (
    connected_descendants_only,
    connected_ignores_given,
    connected_separated_instead,
    connected_with_given,
    connected_with_source,
    connected_neighbours,
)
COLLIDER_MISTAKES = (
    connected_undirected,
    connected_collider_reversed,
    connected_no_descendants,
    connected_moral_everywhere,
    connected_passes_observed,
    connected_neighbours,
)


def draw_forest(rng):
    """Seven or eight variables with at most one parent each, so that there is no collider."""
    n = int(rng.integers(7, 9))
    parents = [[int(rng.integers(0, i))] if i and rng.random() < 0.9 else [] for i in range(n)]
    source, observed = rng.permutation(n)[:2].tolist()
    return relabelled(rng, parents, source, [observed])


def relabelled(rng, parents, source, given):
    """Shuffle the labels of a graph."""
    place, shuffled = rng.permutation(len(parents)).tolist(), [None] * len(parents)
    for i, above in enumerate(parents):
        shuffled[place[i]] = [place[j] for j in above]
    return {"parents": shuffled, "source": place[source], "given": [place[i] for i in given]}


def forest_inputs(rng):
    return separated(
        rng, draw_forest, run_function, connected_reference, PATH_MISTAKES, 0.5, distinct=True
    )


def draw_dag(rng):
    """A source (0) next to three colliders: closed, open, and opened from below."""
    parents, given = [[1], [], [1]], []
    for watched in ("nothing", "collider", "descendant"):
        near = 0
        if rng.random() < 0.3:  # a node between the source and the collider
            parents.append([0])
            near = len(parents) - 1
        parents += [[], [near, len(parents)]]
        if watched == "collider":
            given.append(len(parents) - 1)
            parents.append([len(parents) - 1])
        if watched == "descendant" or (watched == "nothing" and rng.random() < 0.5):
            parents.append([len(parents) - 1])
        if watched == "descendant":
            given.append(len(parents) - 1)
    parents.append([int(rng.integers(len(parents)))])
    return relabelled(rng, parents, 0, given)


def collider_inputs(rng):
    others = (*COLLIDER_MISTAKES, connected_descendants_only, connected_ignores_given)
    return separated(rng, draw_dag, run_function, connected_reference, others, 0.5, distinct=True)


CONNECTED = Exercise(
    id="d-connected",
    answer="d_connected",
    kind="function",
    title="Which variables does an observation tell us about?",
    minutes=35,
    reference=connected_reference,
    rtol=0.0,
    atol=0.25,
    tests=[
        Test("chains-and-forks", 1, forest_inputs, cases=4),
        Test(
            "colliders",
            2,
            collider_inputs,
            cases=4,
            fixed=[
                {"parents": STUDENT_PARENTS, "source": 0, "given": []},
                {"parents": STUDENT_PARENTS, "source": 0, "given": [4]},
                {"parents": STUDENT_PARENTS, "source": 3, "given": [1]},
                {"parents": STUDENT_PARENTS, "source": 4, "given": [2]},
            ],
        ),
    ],
    mistakes=[
        Mistake(
            connected_descendants_only,
            "You follow the arrows only; knowledge of a child also tells about its "
            "parent, and so about the parent's other children.",
            test="chains-and-forks",
        ),
        Mistake(
            connected_ignores_given,
            "An observed variable in the middle of a chain or a fork blocks the path.",
            test="chains-and-forks",
        ),
        Mistake(
            connected_separated_instead,
            "The answer is upside down: you report the separated variables.",
            test="chains-and-forks",
        ),
        Mistake(
            connected_with_given,
            "Observed variables count as not connected here: see the docstring.",
            test="chains-and-forks",
        ),
        Mistake(
            connected_with_source,
            "The source itself counts as not connected here: see the docstring.",
            test="chains-and-forks",
        ),
        Mistake(
            connected_undirected,
            "You treat a collider (two arrows meeting) like any other node: when does it "
            "block, and when does it not?",
            test="colliders",
        ),
        Mistake(
            connected_collider_reversed,
            "A collider does not block for ever: think of what an observation below it does.",
            test="colliders",
        ),
        Mistake(
            connected_no_descendants,
            "A collider is opened not only by its own observation: what if one of its "
            "descendants is observed?",
            test="colliders",
        ),
        Mistake(
            connected_moral_everywhere,
            "You join all parents of a common child, also where neither the child nor "
            "anything below it is observed.",
            test="colliders",
        ),
        Mistake(
            connected_passes_observed,
            "What comes from a parent stops at an observed variable and goes no further down.",
            test="colliders",
        ),
    ],
    wrong=[
        Wrong(connected_opened_from_above, test="colliders"),
        Wrong(connected_neighbours, test="chains-and-forks"),
        Wrong(connected_neighbours, test="colliders"),
        Wrong(connected_ignores_given, test="colliders"),
        Wrong(connected_descendants_only, test="colliders"),
    ],
    right=[connected_by_paths, connected_by_ball, connected_numerically],
    discouraged=(
        "gencourse.graphical.BayesNet.d_separated",
        "networkx.is_d_separator",
        "networkx.d_separated",
    ),
)


# --- 5. three-tasks ---------------------------------------------------------------------


def score_table(factors, scopes, cardinalities):
    """Return the product of all factors as one table over all variables."""
    table = torch.ones([1] * len(cardinalities), dtype=torch.float64)
    for factor, scope in zip(factors, scopes, strict=True):
        order = np.argsort(scope).tolist()
        shape = [cardinalities[i] if i in scope else 1 for i in range(len(cardinalities))]
        table = table * factor.permute(order).reshape(shape)
    return table.expand(*cardinalities)


def clamp(table, evidence):
    """Set to 0 all entries that contradict the evidence."""
    mask = torch.ones_like(table)
    for axis, state in enumerate(evidence):
        if state is not None:
            keep = torch.zeros(table.shape[axis], dtype=table.dtype)
            keep[state] = 1
            mask = mask * keep.reshape([-1 if i == axis else 1 for i in range(table.ndim)])
    return table * mask


def marginals_of(table):
    axes = range(table.ndim)
    return [table.sum([j for j in axes if j != i]) if table.ndim > 1 else table for i in axes]


def infer_reference(factors, scopes, cardinalities, evidence, task):
    table = score_table(factors, scopes, cardinalities)
    seen = clamp(table, evidence)
    if task == "log-probability":
        return torch.log(seen.sum()) - torch.log(table.sum())
    if task == "marginals":
        return [m / m.sum() for m in marginals_of(seen)]
    return [int(s) for s in np.unravel_index(int(seen.argmax()), seen.shape)]


def infer_by_loops(factors, scopes, cardinalities, evidence, task):
    """Walk through all assignments in plain Python."""
    everything, total, best = 0.0, 0.0, (-1.0, None)
    sums = [[0.0] * k for k in cardinalities]
    for states in itertools.product(*map(range, cardinalities)):
        score = 1.0
        for factor, scope in zip(factors, scopes, strict=True):
            score *= factor[tuple(states[i] for i in scope)].item()
        everything += score
        if any(e is not None and e != s for e, s in zip(evidence, states, strict=True)):
            continue
        total += score
        best = max(best, (score, states))
        for i, s in enumerate(states):
            sums[i][s] += score
    if task == "log-probability":
        return [math.log(total / everything)]
    if task == "marginals":
        return tuple(np.array(row, dtype=np.float32) / total for row in sums)
    return np.array(best[1])


def infer_in_log_space(factors, scopes, cardinalities, evidence, task):
    """Index all factors with a list of all assignments, add logarithms, softmax."""
    states = torch.cartesian_prod(*[torch.arange(k) for k in cardinalities])
    scores = sum(f.log()[tuple(states[:, s].T)] for f, s in zip(factors, scopes, strict=True))
    agrees = torch.ones(len(states), dtype=torch.bool)
    for i, state in enumerate(evidence):
        if state is not None:
            agrees &= states[:, i] == state
    seen = scores.masked_fill(~agrees, -torch.inf)
    if task == "log-probability":
        return seen.logsumexp(0) - scores.logsumexp(0)
    if task == "map":
        return states[seen.argmax()]
    p = seen.softmax(0)
    return [F.one_hot(states[:, i], k).double().T @ p for i, k in enumerate(cardinalities)]


def infer_unnormalised(factors, scopes, cardinalities, evidence, task):
    """Report log scores: no Z anywhere."""
    seen = clamp(score_table(factors, scopes, cardinalities), evidence)
    return torch.log(seen.sum()) if task == "log-probability" else marginals_of(seen)


def infer_locally_normalised(factors, scopes, cardinalities, evidence, task):
    """Normalise variable by variable, as if each came from a conditional table."""
    n, table = len(cardinalities), torch.ones([1] * len(cardinalities), dtype=torch.float64)
    for i in range(n):
        mine = [k for k, scope in enumerate(scopes) if max(scope) == i]
        part = score_table([factors[k] for k in mine], [scopes[k] for k in mine], cardinalities)
        table = table * part / part.sum(i, keepdim=True)
    return torch.log(clamp(table, evidence).sum())


def infer_unary_only(factors, scopes, cardinalities, evidence, task):
    """Forget the factors that join variables."""
    kept = [k for k, scope in enumerate(scopes) if len(scope) == 1]
    return infer_reference(
        [factors[k] for k in kept], [scopes[k] for k in kept], cardinalities, evidence, task
    )


def infer_score_over_z(factors, scopes, cardinalities, evidence, task):
    """Return the probability where its logarithm is asked."""
    return torch.exp(infer_reference(factors, scopes, cardinalities, evidence, task))


def infer_summed_factors(factors, scopes, cardinalities, evidence, task):
    """Add the factors up."""
    table = torch.zeros([1] * len(cardinalities), dtype=torch.float64)
    for factor, scope in zip(factors, scopes, strict=True):
        table = table + score_table([factor], [scope], cardinalities)
    return torch.log(clamp(table, evidence).sum() / table.sum())


def infer_best_completion(factors, scopes, cardinalities, evidence, task):
    """Take the largest score that agrees with the evidence, not the sum of them."""
    table = score_table(factors, scopes, cardinalities)
    return torch.log(clamp(table, evidence).max() / table.sum())


def infer_base_two(factors, scopes, cardinalities, evidence, task):
    return infer_reference(factors, scopes, cardinalities, evidence, task) / math.log(2)


def infer_ignores_evidence(factors, scopes, cardinalities, evidence, task):
    return infer_reference(factors, scopes, cardinalities, [None] * len(evidence), task)


def infer_prior_but_clamped(factors, scopes, cardinalities, evidence, task):
    """Clamp what was observed and leave all others as they were before."""
    priors = marginals_of(score_table(factors, scopes, cardinalities))
    return [
        p / p.sum() if e is None else F.one_hot(torch.tensor(e), len(p)).double()
        for p, e in zip(priors, evidence, strict=True)
    ]


def infer_not_renormalised(factors, scopes, cardinalities, evidence, task):
    """Return p(x_i, evidence)."""
    table = score_table(factors, scopes, cardinalities)
    return [m / table.sum() for m in marginals_of(clamp(table, evidence))]


def infer_max_marginals(factors, scopes, cardinalities, evidence, task):
    """Maximise over the others where they should be summed."""
    seen = clamp(score_table(factors, scopes, cardinalities), evidence)
    tops = [seen.amax([j for j in range(seen.ndim) if j != i]) for i in range(seen.ndim)]
    return [t / t.sum() for t in tops]


def infer_own_factors(factors, scopes, cardinalities, evidence, task):
    """For each variable multiply only the factors that touch it."""
    result = []
    for i in range(len(cardinalities)):
        mine = [k for k, scope in enumerate(scopes) if i in scope]
        part = score_table([factors[k] for k in mine], [scopes[k] for k in mine], cardinalities)
        m = marginals_of(clamp(part, evidence))[i]
        result.append(m / m.sum())
    return result


def infer_first_evidence(factors, scopes, cardinalities, evidence, task):
    """Use one observation only."""
    first = next(i for i, e in enumerate(evidence) if e is not None)
    only = [e if i == first else None for i, e in enumerate(evidence)]
    return infer_reference(factors, scopes, cardinalities, only, task)


def infer_scope_sorted(factors, scopes, cardinalities, evidence, task):
    """Attach the axes of a factor to its variables in increasing order."""
    turned = [
        f.reshape([cardinalities[i] for i in sorted(s)])
        for f, s in zip(factors, scopes, strict=True)
    ]
    return infer_reference(turned, [sorted(s) for s in scopes], cardinalities, evidence, task)


def infer_state_zero_unobserved(factors, scopes, cardinalities, evidence, task):
    """Test `if state` where `if state is not None` is meant."""
    seen = [state or None for state in evidence]
    return infer_reference(factors, scopes, cardinalities, seen, task)


def map_of_marginals(factors, scopes, cardinalities, evidence, task):
    return [
        int(m.argmax())
        for m in infer_reference(factors, scopes, cardinalities, evidence, "marginals")
    ]


def map_then_overwrite(factors, scopes, cardinalities, evidence, task):
    """Maximise without the evidence, then write the evidence over the result."""
    best = infer_reference(factors, scopes, cardinalities, [None] * len(evidence), "map")
    return [b if e is None else e for b, e in zip(best, evidence, strict=True)]


def map_greedy(factors, scopes, cardinalities, evidence, task):
    """Fix one variable after the other at its best, by the factors that are complete so far."""
    states = []
    for i in range(len(cardinalities)):
        scores = torch.ones(cardinalities[i], dtype=torch.float64)
        for factor, scope in zip(factors, scopes, strict=True):
            if max(scope) == i:
                scores = (
                    scores * factor[tuple(slice(None) if j == i else states[j] for j in scope)]
                )
        states.append(int(scores.argmax()) if evidence[i] is None else evidence[i])
    return states


def map_one_sweep(factors, scopes, cardinalities, evidence, task):
    """Start from all zeros and improve one variable after another, once."""
    table, states = score_table(factors, scopes, cardinalities), [e or 0 for e in evidence]
    for i, e in enumerate(evidence):
        if e is None:
            line = tuple(slice(None) if j == i else s for j, s in enumerate(states))
            states[i] = int(table[line].argmax())
    return states


def map_of_max_factors(factors, scopes, cardinalities, evidence, task):
    """Take for each variable the state that its unary factor likes best."""
    states = [0] * len(cardinalities)
    for factor, scope in zip(factors, scopes, strict=True):
        if len(scope) == 1:
            states[scope[0]] = int(factor.argmax())
    return [s if e is None else e for s, e in zip(states, evidence, strict=True)]


def map_flat_index(factors, scopes, cardinalities, evidence, task):
    seen = clamp(score_table(factors, scopes, cardinalities), evidence)
    return int(seen.argmax())


LUNCH = {
    "factors": [
        np.array([0.1, 5.0, 1.0, 6.0]),
        np.array([4.0, 8.0, 7.0, 3.0]),
        np.array(
            [
                [2.0, 9.0, 7.0, 0.1],
                [4.0, 2.0, 3.0, 0.2],
                [7.0, 3.0, 2.0, 0.1],
                [0.1, 0.2, 0.1, 2.0],
            ]
        ),
    ],
    "scopes": [[0], [1], [0, 1]],
    "cardinalities": [4, 4],
}
RED_BLUE_FACTORS = {
    "factors": RED_BLUE,
    "scopes": [[0], [0, 1], [2], [1, 2, 3], [2, 4]],
    "cardinalities": [2] * 5,
}
PROBABILITY_MISTAKES = (
    infer_unnormalised,
    infer_locally_normalised,
    infer_unary_only,
    infer_score_over_z,
    infer_summed_factors,
    infer_best_completion,
    infer_base_two,
    infer_scope_sorted,
    infer_state_zero_unobserved,
)
MARGINAL_MISTAKES = (
    infer_unnormalised,
    infer_ignores_evidence,
    infer_prior_but_clamped,
    infer_not_renormalised,
    infer_max_marginals,
    infer_own_factors,
    infer_first_evidence,
    infer_scope_sorted,
    infer_unary_only,
    infer_state_zero_unobserved,
)
MAP_MISTAKES = (
    map_of_marginals,
    infer_ignores_evidence,
    map_then_overwrite,
    map_greedy,
    map_of_max_factors,
    infer_state_zero_unobserved,
    map_one_sweep,
)


def draw_factor_graph(rng):
    """Four variables in a loop with one factor of three; scopes in any order."""
    cards = [2, 3, 3, 2]
    scopes = [[0], [1], [2], [3], [2, 1], [3, 0], [1, 3, 0]]
    rng.shuffle(scopes)
    factors = [
        np.exp(rng.normal(size=[cards[i] for i in scope]) * 1.2).round(2) + 0.05
        for scope in scopes
    ]
    return {"factors": factors, "scopes": scopes, "cardinalities": cards}


def draw_probability(rng):
    call = draw_factor_graph(rng)
    evidence = [int(rng.integers(k)) for k in call["cardinalities"]]
    evidence[int(rng.integers(4))] = None
    return {**call, "evidence": evidence, "task": "log-probability"}


def probability_inputs(rng):
    return separated(
        rng, draw_probability, run_function, infer_reference, PROBABILITY_MISTAKES, 0.03
    )


def draw_marginals(rng):
    call = draw_factor_graph(rng)
    a, b = rng.permutation(4)[:2].tolist()
    evidence = [
        int(rng.integers(k)) if i in (a, b) else None for i, k in enumerate(call["cardinalities"])
    ]
    return {**call, "evidence": evidence, "task": "marginals"}


def marginals_inputs(rng):
    return separated(
        rng, draw_marginals, run_function, infer_reference, MARGINAL_MISTAKES, 0.03, distinct=True
    )


def draw_map(rng):
    """One observation, and a best assignment that is clearly better than the next."""
    call = draw_factor_graph(rng)
    chosen = int(rng.integers(4))
    evidence = [
        int(rng.integers(k)) if i == chosen else None for i, k in enumerate(call["cardinalities"])
    ]
    seen = clamp(
        score_table(
            [torch.tensor(f) for f in call["factors"]], call["scopes"], call["cardinalities"]
        ),
        evidence,
    )
    first, second = seen.flatten().topk(2).values.tolist()
    return {**call, "evidence": evidence, "task": "map"} if first > 1.1 * second else None


def map_inputs(rng):
    return separated(rng, draw_map, run_function, infer_reference, MAP_MISTAKES, 0.5)


TASKS = Exercise(
    id="three-tasks",
    answer="infer",
    kind="function",
    title="The three inference tasks, by brute force",
    minutes=45,
    reference=infer_reference,
    rtol=1e-4,
    atol=1e-5,
    tests=[
        Test(
            "probability",
            2,
            probability_inputs,
            fixed=[
                {**LUNCH, "evidence": [3, 2], "task": "log-probability"},
                {**LUNCH, "evidence": [2, None], "task": "log-probability"},
            ],
        ),
        Test(
            "marginals",
            2,
            marginals_inputs,
            fixed=[
                {**RED_BLUE_FACTORS, "evidence": [None, None, None, 0, None], "task": "marginals"},
                {**RED_BLUE_FACTORS, "evidence": [None, 0, None, 0, None], "task": "marginals"},
                {**RED_BLUE_FACTORS, "evidence": [None, 1, None, 0, None], "task": "marginals"},
            ],
        ),
        Test(
            "map",
            2,
            map_inputs,
            cases=5,
            rtol=0.0,
            atol=0.25,
            fixed=[{**RED_BLUE_FACTORS, "evidence": [None] * 5, "task": "map"}],
        ),
    ],
    mistakes=[
        Mistake(
            infer_unnormalised,
            "That is the logarithm of a score: what do the scores of all assignments add up to?",
            test="probability",
        ),
        Mistake(
            infer_locally_normalised,
            "You normalise variable by variable; potentials are no conditional tables, "
            "and only the sum over all joint assignments makes them probabilities.",
            test="probability",
        ),
        Mistake(
            infer_unary_only,
            "The factors that join two or more variables make no difference to your answer.",
            test="probability",
        ),
        Mistake(
            infer_score_over_z,
            "That is the probability itself; its natural logarithm is asked.",
            test="probability",
        ),
        Mistake(
            infer_summed_factors,
            "You add the factors; an assignment's score is another combination of them.",
            test="probability",
        ),
        Mistake(
            infer_best_completion,
            "You score the best completion of the evidence; its probability counts all of them.",
            test="probability",
        ),
        Mistake(infer_base_two, "Your logarithm has base 2: nats are asked.", test="probability"),
        Mistake(
            infer_scope_sorted,
            "A factor's axes belong to its variables in the order of its scope, which need "
            "not be increasing.",
            test="probability",
        ),
        Mistake(
            infer_ignores_evidence,
            "The evidence makes no difference to your answer.",
            test="marginals",
        ),
        Mistake(
            infer_prior_but_clamped,
            "Evidence about one variable has to change the others too: in the red/blue "
            "network, x4 tells about both of its parents.",
            test="marginals",
        ),
        Mistake(
            infer_not_renormalised,
            "Your marginals do not add up to 1: divide by the probability of the evidence.",
            test="marginals",
        ),
        Mistake(
            infer_max_marginals,
            "You maximise over the other variables: for a marginal they are summed out.",
            test="marginals",
        ),
        Mistake(
            infer_own_factors,
            "Factors that do not touch a variable matter to it too, through the others.",
            test="marginals",
        ),
        Mistake(
            infer_state_zero_unobserved,
            "State 0 is an observation too; you treat it like None.",
            test="marginals",
        ),
        Mistake(
            infer_first_evidence,
            "Only one of the observations seems to be used.",
            test="marginals",
        ),
        Mistake(
            map_of_marginals,
            "That is the most probable state of each variable on its own, and together they may "
            "be a poor, even impossible, assignment. The best joint assignment is asked.",
            test="map",
        ),
        Mistake(
            map_then_overwrite,
            "You look for the best assignment first and write the evidence over it after; the "
            "others have to adapt to the evidence.",
            test="map",
        ),
        Mistake(
            map_greedy,
            "You fix one variable after another; an early choice has to take later factors into "
            "account.",
            test="map",
        ),
    ],
    wrong=[
        Wrong(infer_state_zero_unobserved, test="probability"),
        Wrong(infer_state_zero_unobserved, test="map"),
        Wrong(map_one_sweep, test="map"),
        Wrong(infer_scope_sorted, test="marginals"),
        Wrong(infer_unary_only, test="marginals"),
        Wrong(infer_unnormalised, test="marginals"),
        Wrong(infer_ignores_evidence, test="map"),
        Wrong(map_of_max_factors, test="map"),
        Wrong(map_flat_index, test="map"),
    ],
    right=[infer_by_loops, infer_in_log_space],
    discouraged=(
        "gencourse.graphical.FactorGraph",
        "gencourse.graphical.BayesNet",
        "gencourse.graphical.variable_elimination",
        "gencourse.graphical.belief_propagation",
    ),
)


# --- 6. tree-message --------------------------------------------------------------------


def oriented(edges, pairwise, source, target):
    """Return the pair factor of an edge with the source's axis first."""
    for edge, table in zip(edges, pairwise, strict=True):
        if list(edge) == [source, target]:
            return table
        if list(edge) == [target, source]:
            return table.T
    raise ValueError(f"no edge joins {source} and {target}")


def neighbours_of(edges, node):
    return [j if i == node else i for i, j in edges if node in (i, j)]


def message_reference(unaries, edges, pairwise, source, target):
    belief = unaries[source]
    for other in neighbours_of(edges, source):
        if other != target:
            belief = belief * message_reference(unaries, edges, pairwise, other, source)
    return belief @ oriented(edges, pairwise, source, target)


def message_by_enumeration(unaries, edges, pairwise, source, target):
    """Sum the product of everything behind the edge, assignment by assignment."""
    behind, todo = [], [source]
    while todo:
        node = todo.pop()
        behind.append(node)
        todo += [j for j in neighbours_of(edges, node) if j not in behind and j != target]
    sums = np.zeros(len(unaries[target]), dtype=np.float64)
    for states in itertools.product(*[range(len(unaries[i])) for i in behind]):
        chosen = dict(zip(behind, states, strict=True))
        score = math.prod(float(unaries[i][chosen[i]]) for i in behind)
        for (i, j), table in zip(edges, pairwise, strict=True):
            if i in chosen and j in chosen:
                score *= float(table[chosen[i], chosen[j]])
        sums += score * oriented(edges, pairwise, source, target)[chosen[source]].numpy()
    return sums.tolist()


def message_in_log_space(unaries, edges, pairwise, source, target):
    """Send messages from the leaves inwards, in float32 logarithms, and return a column."""
    logs = {}
    todo = [(i, j) for i, j in edges] + [(j, i) for i, j in edges]
    while todo:
        for a, b in list(todo):
            needed = [(c, a) for c in neighbours_of(edges, a) if c != b]
            if all(edge in logs for edge in needed):
                belief = unaries[a].float().log() + sum(logs[edge] for edge in needed)
                table = oriented(edges, pairwise, a, b).float().log()
                logs[a, b] = torch.logsumexp(belief[:, None] + table, 0)
                todo.remove((a, b))
    return logs[source, target].exp()[:, None]


def message_with(
    unaries, edges, pairwise, source, target, own=True, incoming="product", maximum=False
):
    """The recursion with its parts left out or exchanged."""
    belief = unaries[source] if own else torch.ones_like(unaries[source])
    others = [j for j in neighbours_of(edges, source) if j != target]
    arrived = [
        message_with(unaries, edges, pairwise, j, source, own, incoming, maximum) for j in others
    ]
    if incoming == "product":
        for part in arrived:
            belief = belief * part
    elif incoming == "sum" and arrived:
        belief = belief * sum(arrived)
    table = belief[:, None] * oriented(edges, pairwise, source, target)
    return table.amax(0) if maximum else table.sum(0)


def message_without_unary(unaries, edges, pairwise, source, target):
    return message_with(unaries, edges, pairwise, source, target, own=False)


def message_max(unaries, edges, pairwise, source, target):
    return message_with(unaries, edges, pairwise, source, target, maximum=True)


def message_adds_incoming(unaries, edges, pairwise, source, target):
    return message_with(unaries, edges, pairwise, source, target, incoming="sum")


def message_forgets_incoming(unaries, edges, pairwise, source, target):
    return message_with(unaries, edges, pairwise, source, target, incoming="none")


def message_normalised(unaries, edges, pairwise, source, target):
    m = message_reference(unaries, edges, pairwise, source, target)
    return m / m.sum()


def message_echo(unaries, edges, pairwise, source, target):
    """Send back what came from the target."""
    belief = unaries[source]
    for other in neighbours_of(edges, source):
        belief = belief * message_reference(unaries, edges, pairwise, other, source)
    return belief @ oriented(edges, pairwise, source, target)


def message_with_target_unary(unaries, edges, pairwise, source, target):
    """Multiply the target's own factor in already."""
    return message_reference(unaries, edges, pairwise, source, target) * unaries[target]


def message_belief(unaries, edges, pairwise, source, target):
    """The target's marginal, unnormalised."""
    belief = unaries[target]
    for other in neighbours_of(edges, target):
        belief = belief * message_reference(unaries, edges, pairwise, other, target)
    return belief


def message_as_stored(unaries, edges, pairwise, source, target):
    """Read each pair factor as stored, whichever end it comes from, where the shape fits."""
    belief = unaries[source]
    for other in neighbours_of(edges, source):
        if other != target:
            belief = belief * message_as_stored(unaries, edges, pairwise, other, source)
    table = oriented(edges, pairwise, source, target)
    stored = next(t for e, t in zip(edges, pairwise, strict=True) if set(e) == {source, target})
    return belief @ (stored if stored.shape == table.shape else table)


def message_reversed(unaries, edges, pairwise, source, target):
    """The message in the opposite direction."""
    return message_reference(unaries, edges, pairwise, target, source)


def message_mean(unaries, edges, pairwise, source, target):
    """Average over the states of the source."""
    return message_reference(unaries, edges, pairwise, source, target) / len(unaries[source])


def message_one_step(unaries, edges, pairwise, source, target):
    """Let the neighbours send only what they would as leaves."""
    belief = unaries[source]
    for other in neighbours_of(edges, source):
        if other != target:
            belief = belief * (unaries[other] @ oriented(edges, pairwise, other, source))
    return belief @ oriented(edges, pairwise, source, target)


LEAF_MISTAKES = (
    message_without_unary,
    message_max,
    message_normalised,
    message_echo,
    message_with_target_unary,
    message_belief,
    message_as_stored,
    message_reversed,
    message_mean,
)
INNER_MISTAKES = (
    message_adds_incoming,
    message_forgets_incoming,
    message_without_unary,
    message_max,
    message_echo,
    message_normalised,
    message_with_target_unary,
    message_belief,
    message_as_stored,
    message_one_step,
)


def draw_tree(rng):
    """Seven variables, most of three states, so that a transposed table passes."""
    shape = [(0, 1), (1, 2), (1, 3), (3, 4), (3, 5), (5, 6)]
    place = rng.permutation(7).tolist()
    cards = [0] * 7
    for node, k in enumerate((2, 3, 3, 3, 2, 3, 3)):
        cards[place[node]] = k
    edges = [
        [place[i], place[j]] if rng.random() < 0.5 else [place[j], place[i]] for i, j in shape
    ]
    rng.shuffle(edges)
    return place, {
        "unaries": [rng.uniform(0.2, 2.0, size=k).round(2) for k in cards],
        "edges": edges,
        "pairwise": [rng.uniform(0.1, 2.0, size=(cards[i], cards[j])).round(2) for i, j in edges],
    }


def draw_leaf(rng):
    """A leaf of three states next to a node of three states."""
    place, call = draw_tree(rng)
    source, target = [(2, 1), (6, 5)][int(rng.integers(2))]
    return {**call, "source": place[source], "target": place[target]}


def leaf_inputs(rng):
    return separated(rng, draw_leaf, run_function, message_reference, LEAF_MISTAKES, 0.03)


def draw_inner(rng):
    place, call = draw_tree(rng)
    source, target = [(1, 3), (3, 1), (3, 5), (1, 2)][int(rng.integers(4))]
    return {**call, "source": place[source], "target": place[target]}


def inner_inputs(rng):
    return separated(rng, draw_inner, run_function, message_reference, INNER_MISTAKES, 0.03)


MESSAGE = Exercise(
    id="tree-message",
    answer="message",
    kind="function",
    title="One message of belief propagation",
    minutes=30,
    reference=message_reference,
    rtol=1e-4,
    atol=1e-6,
    tests=[
        Test(
            "leaf",
            1,
            leaf_inputs,
            fixed=[
                {
                    "unaries": [np.array([0.5, 2.0]), np.array([1.0, 3.0, 0.2])],
                    "edges": [[1, 0]],
                    "pairwise": [np.array([[1.0, 0.3], [0.2, 0.7], [0.9, 1.5]])],
                    "source": 0,
                    "target": 1,
                }
            ],
        ),
        Test("inner", 3, inner_inputs, cases=4),
    ],
    mistakes=[
        Mistake(message_without_unary, "The source's own factor is missing.", test="leaf"),
        Mistake(
            message_max, "You maximise over the source's states: sum-product adds.", test="leaf"
        ),
        Mistake(
            message_normalised,
            "You normalise the message; it is asked as it is, and its scale carries Z.",
            test="leaf",
        ),
        Mistake(
            message_with_target_unary,
            "The target's own factor is not part of the message: the target multiplies "
            "it in itself.",
            test="leaf",
        ),
        Mistake(
            message_belief,
            "That is the belief of the target, which collects messages from all sides.",
            test="leaf",
        ),
        Mistake(
            message_as_stored,
            "An edge [i, j] has the table with i's states along the rows, whichever end the "
            "message starts from.",
            test="leaf",
        ),
        Mistake(message_reversed, "That is the message in the opposite direction.", test="leaf"),
        Mistake(message_mean, "You average over the source's states: sum them.", test="leaf"),
        Mistake(
            message_adds_incoming,
            "Messages that arrive at the source are combined, but not by adding them up.",
            test="inner",
        ),
        Mistake(
            message_forgets_incoming,
            "The messages that arrive at the source from its other neighbours are missing.",
            test="inner",
        ),
        Mistake(
            message_echo,
            "What the target told the source must not be sent back, or it counts twice.",
            test="inner",
        ),
        Mistake(
            message_one_step,
            "The neighbours of the source have neighbours too: messages come from all the way "
            "out.",
            test="inner",
        ),
    ],
    wrong=[
        Wrong(message_echo, test="leaf"),
        Wrong(message_belief, test="inner"),
        Wrong(message_without_unary, test="inner"),
        Wrong(message_max, test="inner"),
        Wrong(message_normalised, test="inner"),
        Wrong(message_with_target_unary, test="inner"),
        Wrong(message_as_stored, test="inner"),
    ],
    right=[message_by_enumeration, message_in_log_space],
    discouraged=(
        "gencourse.graphical.belief_propagation",
        "gencourse.graphical.FactorGraph",
        "gencourse.graphical.variable_elimination",
    ),
)


# --- 7. spam-filter ---------------------------------------------------------------------


class FilterReference:
    def __init__(self, spam_rate=0.5, word_rates=None):
        self.spam_rate, self.word_rates = spam_rate, word_rates

    def estimate(self, x, y, smoothing):
        rows = [x[y == c].double() for c in (0, 1)]
        self.spam_rate = float((y == 1).double().mean())
        self.word_rates = torch.stack(
            [(r.sum(0) + smoothing) / (len(r) + 2 * smoothing) for r in rows]
        )
        return self.word_rates

    def log_odds(self, x, observed=None):
        seen = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        present = torch.log(self.word_rates[1] / self.word_rates[0])
        absent = torch.log((1 - self.word_rates[1]) / (1 - self.word_rates[0]))
        parts = torch.where(x == 1, present, absent) * seen
        return math.log(self.spam_rate / (1 - self.spam_rate)) + parts.sum(1)


class FilterOfLoops:
    """Plain Python: counts, products of probabilities, logarithm at the end."""

    def __init__(self, spam_rate=0.5, word_rates=None):
        self.prior = [1 - spam_rate, spam_rate]
        self.rates = None if word_rates is None else word_rates.tolist()

    def estimate(self, x, y, smoothing):
        x, y = x.tolist(), y.tolist()
        self.prior = [y.count(0) / len(y), y.count(1) / len(y)]
        self.rates = [[0.0] * len(x[0]) for _ in range(2)]
        for c in range(2):
            for i in range(len(x[0])):
                hits = sum(row[i] for row, label in zip(x, y, strict=True) if label == c)
                self.rates[c][i] = (hits + smoothing) / (y.count(c) + 2 * smoothing)
        return self.rates

    def log_odds(self, x, observed=None):
        odds = []
        for b, row in enumerate(x.tolist()):
            joint = list(self.prior)
            for i, word in enumerate(row):
                if observed is not None and not observed[b][i]:
                    continue
                for c in range(2):
                    joint[c] *= self.rates[c][i] if word == 1 else 1 - self.rates[c][i]
            odds.append([math.log(joint[1]) - math.log(joint[0])])
        return odds


class FilterLinear:
    """numpy in float32; a linear function of the words, and unread words summed out explicitly."""

    def __init__(self, spam_rate=0.5, word_rates=None):
        self.spam_rate = np.float32(spam_rate)
        self.word_rates = None if word_rates is None else word_rates.numpy().astype(np.float32)

    def estimate(self, x, y, smoothing):
        member = np.stack([y.numpy() == 0, y.numpy() == 1]).astype(np.float32)
        self.spam_rate = member[1].mean()
        self.word_rates = (member @ x.numpy() + smoothing) / (
            member.sum(1, keepdims=True) + 2 * smoothing
        )
        return self.word_rates.astype(np.float32)

    def log_odds(self, x, observed=None):
        x = x.numpy()
        keep = np.ones(x.shape, bool) if observed is None else observed.numpy()
        log_joint = []
        for c, prior in enumerate((1 - self.spam_rate, self.spam_rate)):
            rates = self.word_rates[c]
            likelihood = np.where(x == 1, rates, 1 - rates)
            likelihood = np.where(keep, likelihood, rates + (1 - rates))
            log_joint.append(np.log(prior) + np.log(likelihood).sum(1))
        return (log_joint[1] - log_joint[0]).astype(np.float32)


class FilterUnsmoothed(FilterReference):
    def estimate(self, x, y, smoothing):
        return super().estimate(x, y, 0.0)


class FilterOneInDenominator(FilterReference):
    """3 of 4 with smoothing 1 becomes 4/5."""

    def estimate(self, x, y, smoothing):
        rows = [x[y == c].double() for c in (0, 1)]
        return torch.stack([(r.sum(0) + smoothing) / (len(r) + smoothing) for r in rows])


class FilterNumeratorOnly(FilterReference):
    def estimate(self, x, y, smoothing):
        rows = [x[y == c].double() for c in (0, 1)]
        return torch.stack([(r.sum(0) + smoothing) / len(r) for r in rows])


class FilterVocabulary(FilterReference):
    """Smooth with the number of words in the denominator, as for word counts."""

    def estimate(self, x, y, smoothing):
        rows = [x[y == c].double() for c in (0, 1)]
        return torch.stack(
            [(r.sum(0) + smoothing) / (len(r) + x.shape[1] * smoothing) for r in rows]
        )


class FilterShareOfWords(FilterReference):
    """Share of a word among all words of the class: the multinomial model."""

    def estimate(self, x, y, smoothing):
        rows = [x[y == c].double() for c in (0, 1)]
        return torch.stack(
            [(r.sum(0) + smoothing) / (r.sum() + x.shape[1] * smoothing) for r in rows]
        )


class FilterJoint(FilterReference):
    """Divide by the number of all mails: p(x_i = 1, y)."""

    def estimate(self, x, y, smoothing):
        rows = [x[y == c].double() for c in (0, 1)]
        return torch.stack([(r.sum(0) + smoothing) / (len(x) + 2 * smoothing) for r in rows])


class FilterSwapped(FilterReference):
    def estimate(self, x, y, smoothing):
        return super().estimate(x, 1 - y, smoothing)


class FilterPosteriorOfClass(FilterReference):
    """p(y = c | x_i = 1)."""

    def estimate(self, x, y, smoothing):
        rows = torch.stack([x[y == c].double().sum(0) for c in (0, 1)])
        return (rows + smoothing) / (x.double().sum(0) + 2 * smoothing)


class FilterNoPrior(FilterReference):
    def log_odds(self, x, observed=None):
        self.spam_rate = 0.5
        return super().log_odds(x, observed)


class FilterPresentOnly(FilterReference):
    """Absent words say nothing."""

    def log_odds(self, x, observed=None):
        return super().log_odds(x, (x == 1) if observed is None else (x == 1) & observed)


class FilterSign(FilterReference):
    def log_odds(self, x, observed=None):
        return -super().log_odds(x, observed)


class FilterProbability(FilterReference):
    def log_odds(self, x, observed=None):
        return torch.sigmoid(super().log_odds(x, observed))


class FilterLogJoint(FilterReference):
    """log p(y = 1, x) alone."""

    def log_odds(self, x, observed=None):
        parts = torch.where(x == 1, self.word_rates[1].log(), (1 - self.word_rates[1]).log())
        return math.log(self.spam_rate) + parts.sum(1)


class FilterPriorProbability(FilterReference):
    """Add log p(y = 1) where the prior's log odds belong."""

    def log_odds(self, x, observed=None):
        odds = math.log(self.spam_rate / (1 - self.spam_rate))
        return super().log_odds(x, observed) - odds + math.log(self.spam_rate)


class FilterBaseTwo(FilterReference):
    def log_odds(self, x, observed=None):
        return super().log_odds(x, observed) / math.log(2)


class FilterMeanOfWords(FilterReference):
    def log_odds(self, x, observed=None):
        prior = math.log(self.spam_rate / (1 - self.spam_rate))
        return prior + (super().log_odds(x, observed) - prior) / x.shape[1]


class FilterUnreadAbsent(FilterReference):
    def log_odds(self, x, observed=None):
        return super().log_odds(x if observed is None else x * observed, None)


class FilterIgnoresMask(FilterReference):
    def log_odds(self, x, observed=None):
        return super().log_odds(x, None)


class FilterUnreadPresent(FilterReference):
    def log_odds(self, x, observed=None):
        return super().log_odds(
            x if observed is None else torch.where(observed, x, torch.ones_like(x)), None
        )


class FilterMaskReversed(FilterReference):
    def log_odds(self, x, observed=None):
        return super().log_odds(x, None if observed is None else ~observed)


class FilterGivesUp(FilterReference):
    """Fall back to the prior when any word is unread."""

    def log_odds(self, x, observed=None):
        complete = observed.all(1, keepdim=True).expand_as(observed)
        return super().log_odds(x, complete)


class FilterAverageUnread(FilterReference):
    """Put the expected contribution under the average rate in place of an unread word."""

    def log_odds(self, x, observed=None):
        rate = self.word_rates.mean(0)
        present = torch.log(self.word_rates[1] / self.word_rates[0])
        absent = torch.log((1 - self.word_rates[1]) / (1 - self.word_rates[0]))
        parts = torch.where(x == 1, present, absent)
        parts = torch.where(observed, parts, rate * present + (1 - rate) * absent)
        return math.log(self.spam_rate / (1 - self.spam_rate)) + parts.sum(1)


class FilterSmoothsPrior(FilterReference):
    def estimate(self, x, y, smoothing):
        rates = super().estimate(x, y, smoothing)
        self.spam_rate = float((y.double().sum() + smoothing) / (len(y) + 2 * smoothing))
        return rates


class FilterForgets(FilterReference):
    """Keep the rate of spam that the object was made with."""

    def estimate(self, x, y, smoothing):
        before = self.spam_rate
        rates = super().estimate(x, y, smoothing)
        self.spam_rate = before
        return rates


ESTIMATE_MISTAKES = (
    FilterUnsmoothed,
    FilterOneInDenominator,
    FilterNumeratorOnly,
    FilterVocabulary,
    FilterShareOfWords,
    FilterJoint,
    FilterSwapped,
    FilterPosteriorOfClass,
)
ODDS_MISTAKES = (
    FilterNoPrior,
    FilterPresentOnly,
    FilterSign,
    FilterProbability,
    FilterLogJoint,
    FilterPriorProbability,
    FilterBaseTwo,
    FilterMeanOfWords,
)
UNREAD_MISTAKES = (
    FilterUnreadAbsent,
    FilterIgnoresMask,
    FilterUnreadPresent,
    FilterMaskReversed,
    FilterGivesUp,
    FilterAverageUnread,
)
WHOLE_MISTAKES = (FilterSmoothsPrior, FilterForgets)


def draw_mails(rng):
    """A dozen mails of five words, fewer spam than not; one word never occurs in spam."""
    mails = int(rng.integers(11, 16))
    spam = int(rng.integers(3, 6))
    y = rng.permutation(np.array([1] * spam + [0] * (mails - spam)))
    rates = rng.uniform(0.15, 0.85, size=(2, 5))
    x = (rng.random((mails, 5)) < rates[y]).astype(np.int64)
    x[y == 1, int(rng.integers(5))] = 0
    return {"x": x, "y": y, "smoothing": float(rng.integers(1, 4) / 2)}


def draw_estimate(rng):
    return {"init": {}, "calls": [["estimate", draw_mails(rng)]]}


def estimate_inputs(rng):
    return separated(rng, draw_estimate, run_class, FilterReference, ESTIMATE_MISTAKES, 0.02)


def draw_filter(rng):
    return {
        "spam_rate": float(rng.integers(15, 45) / 100),
        "word_rates": rng.integers(5, 95, size=(2, 4)) / 100,
    }


def draw_odds(rng):
    x = rng.integers(0, 2, size=(6, 4))
    return {"init": draw_filter(rng), "calls": [["log_odds", {"x": x}]]}


def odds_inputs(rng):
    return separated(rng, draw_odds, run_class, FilterReference, ODDS_MISTAKES, 0.05)


def draw_unread(rng):
    x = rng.integers(0, 2, size=(6, 4))
    return {
        "init": draw_filter(rng),
        "calls": [["log_odds", {"x": x, "observed": rng.random((6, 4)) < 0.6}]],
    }


def unread_inputs(rng):
    return separated(rng, draw_unread, run_class, FilterReference, UNREAD_MISTAKES, 0.05)


def draw_whole(rng):
    x = rng.integers(0, 2, size=(4, 5))
    return {
        "init": {"spam_rate": 0.3},
        "calls": [
            ["estimate", draw_mails(rng)],
            ["log_odds", {"x": x, "observed": rng.random((4, 5)) < 0.8}],
        ],
    }


def whole_inputs(rng):
    others = (*WHOLE_MISTAKES, FilterUnsmoothed, FilterIgnoresMask, FilterNoPrior)
    return separated(rng, draw_whole, run_class, FilterReference, others, 0.05)


SPAM = Exercise(
    id="spam-filter",
    answer="SpamFilter",
    kind="class",
    title="A spam filter that can leave mails half read",
    minutes=35,
    reference=FilterReference,
    rtol=1e-4,
    atol=1e-5,
    tests=[
        Test(
            "estimate",
            1,
            estimate_inputs,
            fixed=[
                {
                    "init": {},
                    "calls": [
                        [
                            "estimate",
                            {
                                "x": np.array(
                                    [
                                        [1, 0, 0],
                                        [1, 1, 0],
                                        [0, 1, 0],
                                        [1, 0, 1],
                                        [0, 0, 1],
                                        [1, 1, 1],
                                        [0, 1, 1],
                                    ]
                                ),
                                "y": np.array([1, 1, 1, 1, 0, 0, 0]),
                                "smoothing": 1.0,
                            },
                        ]
                    ],
                }
            ],
        ),
        Test(
            "log-odds",
            1,
            odds_inputs,
            fixed=[
                {
                    "init": {
                        "spam_rate": 0.25,
                        "word_rates": np.array([[0.2, 0.2, 0.4], [0.8, 0.8, 0.1]]),
                    },
                    "calls": [["log_odds", {"x": np.array([[1, 1, 0]])}]],
                }
            ],
        ),
        Test(
            "unread",
            1,
            unread_inputs,
            fixed=[
                {
                    "init": {"spam_rate": 0.5, "word_rates": np.array([[0.2, 0.2], [0.8, 0.8]])},
                    "calls": [
                        [
                            "log_odds",
                            {
                                "x": np.array([[1, 1], [1, 1], [0, 1]]),
                                "observed": np.array(
                                    [[True, True], [True, False], [False, False]]
                                ),
                            },
                        ]
                    ],
                }
            ],
        ),
        Test("together", 1, whole_inputs),
    ],
    mistakes=[
        Mistake(FilterUnsmoothed, "Smoothing makes no difference to your rates.", test="estimate"),
        Mistake(
            FilterOneInDenominator,
            "A word has two outcomes, in the mail or not, and each is given `smoothing` "
            "extra counts: is your denominator right?",
            test="estimate",
        ),
        Mistake(
            FilterNumeratorOnly,
            "Your rates of a word being there and of its not being there add up to more than 1.",
            test="estimate",
        ),
        Mistake(
            FilterVocabulary,
            "Each word is a yes/no variable of its own: how many outcomes has it?",
            test="estimate",
        ),
        Mistake(
            FilterShareOfWords,
            "You count a word's share among all words; asked is the share of mails that "
            "contain it.",
            test="estimate",
        ),
        Mistake(
            FilterJoint,
            "You divide by the number of all mails; a rate given the class is asked.",
            test="estimate",
        ),
        Mistake(
            FilterSwapped,
            "The rows are swapped: row 0 belongs to y = 0, row 1 to spam.",
            test="estimate",
        ),
        Mistake(
            FilterPosteriorOfClass,
            "That is the rate of spam among mails with the word; asked is the rate of the "
            "word among spam.",
            test="estimate",
        ),
        Mistake(
            FilterNoPrior,
            "The rate of spam among all mails makes no difference to your answer.",
            test="log-odds",
        ),
        Mistake(FilterPresentOnly, "A word that is absent is evidence too.", test="log-odds"),
        Mistake(FilterSign, "The sign is reversed: positive has to mean spam.", test="log-odds"),
        Mistake(
            FilterProbability,
            "That is the probability of spam; its log odds are asked.",
            test="log-odds",
        ),
        Mistake(
            FilterLogJoint,
            "That is log p(y = 1, x): the odds compare it with the other class.",
            test="log-odds",
        ),
        Mistake(
            FilterPriorProbability,
            "The prior enters through its odds: what about the other class?",
            test="log-odds",
        ),
        Mistake(FilterBaseTwo, "Your logarithm has base 2: nats are asked.", test="log-odds"),
        Mistake(
            FilterUnreadAbsent,
            "An unread word is not an absent word: absence is evidence, and nobody has looked.",
            test="unread",
        ),
        Mistake(
            FilterIgnoresMask,
            "`observed` makes no difference: what stands in x at an unread place means nothing.",
            test="unread",
        ),
        Mistake(FilterUnreadPresent, "You count unread words as present.", test="unread"),
        Mistake(
            FilterMaskReversed,
            "You use the words that were not read: `observed` is True where a word was read.",
            test="unread",
        ),
        Mistake(
            FilterGivesUp,
            "You fall back to the prior as soon as one word is unread; the others still count.",
            test="unread",
        ),
        Mistake(
            FilterSmoothsPrior,
            "You smooth the rate of spam too; here only the word rates are smoothed.",
            test="together",
        ),
        Mistake(
            FilterForgets,
            "`estimate` has to keep the rate of spam in the data: `log_odds` still uses the one "
            "from before.",
            test="together",
        ),
    ],
    wrong=[
        Wrong(FilterMeanOfWords, test="log-odds"),
        Wrong(FilterAverageUnread, test="unread"),
        Wrong(FilterUnsmoothed, test="together"),
        Wrong(FilterIgnoresMask, test="together"),
        Wrong(FilterNoPrior, test="together"),
    ],
    right=[FilterOfLoops, FilterLinear],
    discouraged=("gencourse.graphical.NaiveBayes", "sklearn.naive_bayes.BernoulliNB"),
)


# --- 8. gaussian-to-logistic ------------------------------------------------------------


def weights_reference(prior, means, sds):
    """Read the linear function off log joint densities at the origin and unit vectors."""
    m, s = means.numpy(), sds.numpy()
    points = np.concatenate([np.zeros((1, len(s))), np.eye(len(s))])
    log_density = -((points[:, None] - m) ** 2 / (2 * s**2)).sum(-1) + np.log([1 - prior, prior])
    exponent = log_density[:, 0] - log_density[:, 1]
    return np.concatenate([exponent[:1], exponent[1:] - exponent[0]])


def weights_closed_form(prior, means, sds):
    w = (means[0] - means[1]) / sds**2
    w0 = math.log((1 - prior) / prior) + ((means[1] ** 2 - means[0] ** 2) / (2 * sds**2)).sum()
    return torch.cat([w0.reshape(1), w]).float()


def weights_by_autograd(prior, means, sds):
    """Gradient and value at the origin of the log odds, from torch's normal distribution."""
    x = torch.zeros_like(sds, requires_grad=True)
    logs = (
        torch.distributions.Normal(means, sds).log_prob(x).sum(-1)
        + torch.tensor([1 - prior, prior]).log()
    )
    exponent = logs[0] - logs[1]
    (slope,) = torch.autograd.grad(exponent, x)
    return [exponent.item(), *slope.tolist()]


def weights_by_loop(prior, means, sds):
    """Plain Python, offset and slopes feature by feature."""
    offset, slopes = -math.log(prior / (1 - prior)), []
    for m0, m1, s in zip(means[0].tolist(), means[1].tolist(), sds.tolist(), strict=True):
        slopes.append((m0 - m1) / (s * s))
        offset += (m1 - m0) * (m1 + m0) / (2 * s * s)
    return np.array([[offset, *slopes]])


def weights_usual_sign(prior, means, sds):
    return -weights_closed_form(prior, means, sds)


def weights_variance(prior, means, sds):
    """Take the standard deviations for variances."""
    return weights_closed_form(prior, means, sds.sqrt())


def weights_no_half(prior, means, sds):
    w = weights_closed_form(prior, means, sds).double()
    w[0] = math.log((1 - prior) / prior) + ((means[1] ** 2 - means[0] ** 2) / sds**2).sum()
    return w


def weights_squared_difference(prior, means, sds):
    w = weights_closed_form(prior, means, sds).double()
    w[0] = math.log((1 - prior) / prior) + ((means[1] - means[0]) ** 2 / (2 * sds**2)).sum()
    return w


def weights_slopes_signed(prior, means, sds):
    """The slopes of the usual sign with the offset of the other."""
    w = weights_closed_form(prior, means, sds)
    return torch.cat([w[:1], -w[1:]])


def weights_offset_signed(prior, means, sds):
    """Exchange the classes in the squares only."""
    w = weights_closed_form(prior, means, sds).double()
    log_prior = math.log((1 - prior) / prior)
    w[0] = log_prior - (w[0] - log_prior)
    return w


def weights_half_slopes(prior, means, sds):
    w = weights_closed_form(prior, means, sds)
    return torch.cat([w[:1], w[1:] / 2])


def weights_no_prior(prior, means, sds):
    return weights_closed_form(0.5, means, sds)


def weights_prior_reversed(prior, means, sds):
    return weights_closed_form(1 - prior, means, sds)


def weights_prior_no_odds(prior, means, sds):
    w = weights_closed_form(0.5, means, sds)
    return torch.cat([w[:1] - math.log(prior), w[1:]])


def weights_offset_last(prior, means, sds):
    return weights_closed_form(prior, means, sds).roll(-1)


WEIGHT_MISTAKES = (
    weights_usual_sign,
    weights_variance,
    weights_no_half,
    weights_squared_difference,
    weights_slopes_signed,
    weights_offset_signed,
    weights_half_slopes,
    weights_offset_last,
)
PRIOR_MISTAKES = (
    weights_no_prior,
    weights_prior_reversed,
    weights_prior_no_odds,
    weights_usual_sign,
)


def draw_gaussians(rng, prior):
    means = rng.integers(-20, 21, size=(2, 3)) / 10
    return {"prior": prior, "means": means, "sds": rng.integers(4, 21, size=3) / 10}


def draw_equal_priors(rng):
    return draw_gaussians(rng, 0.5)


def draw_unequal_priors(rng):
    return draw_gaussians(rng, float(rng.choice([0.1, 0.2, 0.3, 0.65, 0.85])))


def equal_priors_inputs(rng):
    return separated(
        rng, draw_equal_priors, run_function, weights_reference, WEIGHT_MISTAKES, 0.05
    )


def unequal_priors_inputs(rng):
    return separated(
        rng, draw_unequal_priors, run_function, weights_reference, PRIOR_MISTAKES, 0.05
    )


LOGISTIC = Exercise(
    id="gaussian-to-logistic",
    answer="logistic_weights",
    kind="function",
    title="A logistic regression nobody trained",
    minutes=20,
    reference=weights_reference,
    rtol=1e-4,
    atol=1e-5,
    tests=[
        Test(
            "equal-priors",
            1,
            equal_priors_inputs,
            fixed=[
                {
                    "prior": 0.5,
                    "means": np.array([[0.0, 1.0], [2.0, -0.5]]),
                    "sds": np.array([2.0, 0.5]),
                }
            ],
        ),
        Test(
            "any-priors",
            1,
            unequal_priors_inputs,
            fixed=[{"prior": 0.2, "means": np.array([[0.5], [1.5]]), "sds": np.array([0.8])}],
        ),
    ],
    mistakes=[
        Mistake(
            weights_usual_sign,
            "All signs are reversed: here p(y = 1 | x) = 1 / (1 + exp(w0 + w.x)), with a plus "
            "in the exponent.",
            test="equal-priors",
        ),
        Mistake(
            weights_variance,
            "You take `sds` for variances: they are standard deviations.",
            test="equal-priors",
        ),
        Mistake(
            weights_no_half,
            "The slopes are right; in the offset a factor of the Gaussian's exponent is missing.",
            test="equal-priors",
        ),
        Mistake(
            weights_squared_difference,
            "The slopes are right; in the offset you have the square of a difference: "
            "expand the two exponents again.",
            test="equal-priors",
        ),
        Mistake(
            weights_slopes_signed,
            "The offset is right, the slopes have the wrong sign.",
            test="equal-priors",
        ),
        Mistake(
            weights_offset_signed,
            "The slopes are right, the offset has the wrong sign.",
            test="equal-priors",
        ),
        Mistake(
            weights_half_slopes,
            "The offset is right, the slopes are half of what they should be: what becomes "
            "of the cross term of a square?",
            test="equal-priors",
        ),
        Mistake(weights_offset_last, "The order is w0 first, then w1 to wD.", test="equal-priors"),
        Mistake(
            weights_no_prior, "The prior makes no difference to your answer.", test="any-priors"
        ),
        Mistake(
            weights_prior_reversed,
            "The prior enters upside down: it is the probability of y = 1.",
            test="any-priors",
        ),
        Mistake(
            weights_prior_no_odds,
            "Only one of the two classes' priors enters your offset.",
            test="any-priors",
        ),
    ],
    wrong=[Wrong(weights_usual_sign, test="any-priors")],
    right=[weights_closed_form, weights_by_autograd, weights_by_loop],
    discouraged=("gencourse.graphical.GaussianNaiveBayes", "sklearn.naive_bayes.GaussianNB"),
)


# --- 9. mixture-likelihood --------------------------------------------------------------


def component_logs(x, means, log_sds):
    """Return log N(x_b; mean_k, sd_k), (B, K)."""
    z = (x[:, None] - means) * torch.exp(-log_sds)
    return -0.5 * z**2 - log_sds - 0.5 * math.log(2 * math.pi)


def mixture_reference(x, logits, means, log_sds):
    logs = torch.log_softmax(logits, 0) + component_logs(x, means, log_sds)
    return -torch.logsumexp(logs, 1).mean()


def mixture_by_distributions(x, logits, means, log_sds):
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits),
        torch.distributions.Normal(means, log_sds.exp()),
    )
    return -mixture.log_prob(x).mean().reshape(1)


def mixture_by_loops(x, logits, means, log_sds):
    """One point at a time, the largest term taken out by hand; float32."""
    x, logits, means, log_sds = x.float(), logits.float(), means.float(), log_sds.float()
    weights = logits.exp() / logits.exp().sum()
    total = torch.zeros(())
    for point in x:
        logs = torch.stack(
            [
                weights[k].log()
                - 0.5 * math.log(2 * math.pi)
                - log_sds[k]
                - (point - means[k]) ** 2 / (2 * torch.exp(2 * log_sds[k]))
                for k in range(len(logits))
            ]
        )
        top = logs.max().detach()
        total = total + top + (logs - top).exp().sum().log()
    return -total / len(x)


def mixture_plain(x, logits, means, log_sds):
    """Densities first, logarithm after: right as long as no density underflows."""
    density = torch.softmax(logits, 0) * component_logs(x, means, log_sds).exp()
    return -density.sum(1).log().mean()


def mixture_with_epsilon(x, logits, means, log_sds):
    density = torch.softmax(logits, 0) * component_logs(x, means, log_sds).exp()
    return -(density.sum(1) + 1e-12).log().mean()


def mixture_clamped(x, logits, means, log_sds):
    logs = component_logs(x, means, log_sds).clamp(min=-50)
    return -torch.logsumexp(torch.log_softmax(logits, 0) + logs, 1).mean()


def mixture_hard(x, logits, means, log_sds):
    """Keep only the best component of each point."""
    logs = torch.log_softmax(logits, 0) + component_logs(x, means, log_sds)
    return -logs.max(1).values.mean()


def mixture_summed(x, logits, means, log_sds):
    return mixture_reference(x, logits, means, log_sds) * len(x)


def mixture_sign(x, logits, means, log_sds):
    return -mixture_reference(x, logits, means, log_sds)


def mixture_mean_of_logs(x, logits, means, log_sds):
    """Average the log densities over the components: Jensen's bound."""
    return -(torch.softmax(logits, 0) * component_logs(x, means, log_sds)).sum(1).mean()


def mixture_variance(x, logits, means, log_sds):
    """Read log_sds as log variances."""
    return mixture_reference(x, logits, means, log_sds / 2)


def mixture_raw_logits(x, logits, means, log_sds):
    """Use the logits as log weights, not normalised."""
    return -torch.logsumexp(logits + component_logs(x, means, log_sds), 1).mean()


def mixture_equal_weights(x, logits, means, log_sds):
    return mixture_reference(x, logits * 0, means, log_sds)


def mixture_no_sd_in_front(x, logits, means, log_sds):
    logs = torch.log_softmax(logits, 0) + component_logs(x, means, log_sds) + log_sds
    return -torch.logsumexp(logs, 1).mean()


def mixture_no_two_pi(x, logits, means, log_sds):
    return mixture_reference(x, logits, means, log_sds) - 0.5 * math.log(2 * math.pi)


def mixture_no_half(x, logits, means, log_sds):
    z = (x[:, None] - means) * torch.exp(-log_sds)
    logs = torch.log_softmax(logits, 0) - z**2 - log_sds - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(logs, 1).mean()


def mixture_one_gaussian(x, logits, means, log_sds):
    """A single Gaussian with the mixture's mean and variance."""
    weights = torch.softmax(logits, 0)
    mean = (weights * means).sum()
    variance = (weights * (torch.exp(2 * log_sds) + means**2)).sum() - mean**2
    return (0.5 * (x - mean) ** 2 / variance + 0.5 * torch.log(2 * math.pi * variance)).mean()


def mixture_softmax_over_batch(x, logits, means, log_sds):
    logs = torch.log_softmax(logits, 0) + component_logs(x, means, log_sds)
    return -torch.logsumexp(logs, 0).mean()


def mixture_detached(x, logits, means, log_sds):
    return mixture_reference(x, logits.detach(), means.detach(), log_sds.detach())


def mixture_detached_weights(x, logits, means, log_sds):
    """The right value; no gradient reaches the logits."""
    return mixture_reference(x, logits.detach() + 0 * logits, means, log_sds)


def mixture_detached_posterior(x, logits, means, log_sds):
    """The bound that EM's M-step works on: the right gradient with another value."""
    logs = torch.log_softmax(logits, 0) + component_logs(x, means, log_sds)
    return -(torch.softmax(logs, 1).detach() * logs).sum(1).mean()


MIXTURE_MISTAKES = (
    mixture_summed,
    mixture_sign,
    mixture_mean_of_logs,
    mixture_variance,
    mixture_raw_logits,
    mixture_equal_weights,
    mixture_no_sd_in_front,
    mixture_no_two_pi,
    mixture_no_half,
    mixture_hard,
    mixture_one_gaussian,
    mixture_softmax_over_batch,
    mixture_detached_posterior,
)


def draw_mixture(rng):
    """Three overlapping components of clearly different weights and widths."""
    return {
        "x": rng.integers(-30, 31, size=7) / 10,
        "logits": rng.permutation([-0.7, 0.4, 1.2]) + 0.3,
        "means": rng.permutation([-1.6, 0.3, 1.9]) + rng.integers(-3, 4) / 10,
        "log_sds": rng.permutation([-0.6, 0.2, 0.5]),
    }


def near_inputs(rng):
    return separated(rng, draw_mixture, run_function, mixture_reference, MIXTURE_MISTAKES, 0.02)


def draw_far(rng):
    """Some points so many standard deviations away that the densities underflow."""
    call = draw_mixture(rng)
    call["x"] = np.concatenate(
        [call["x"][:3], [60.0 + rng.integers(20), -55.0 - rng.integers(20)]]
    )
    call["log_sds"] = rng.permutation([-0.6, -0.2, 0.0])
    return call


def far_inputs(rng):
    others = (mixture_with_epsilon, mixture_clamped, mixture_plain)
    return separated(rng, draw_far, run_function, mixture_reference, others, 1.0)


MIXTURE = Exercise(
    id="mixture-likelihood",
    answer="mixture_nll",
    kind="gradient",
    wrt=("logits", "means", "log_sds"),
    title="Learning with a hidden variable",
    minutes=25,
    reference=mixture_reference,
    rtol=1e-4,
    atol=1e-5,
    tests=[
        Test(
            "value-and-gradient",
            2,
            near_inputs,
            fixed=[
                {
                    "x": np.array([0.7]),
                    "logits": np.array([0.2, -0.5]),
                    "means": np.array([-1.0, 1.5]),
                    "log_sds": np.array([0.3, -0.4]),
                }
            ],
        ),
        Test("far-away", 1, far_inputs),
    ],
    mistakes=[
        Mistake(
            mixture_summed,
            "You add up over the points: their mean is asked.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_sign,
            "The sign is reversed: the *negative* log-likelihood is asked.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_mean_of_logs,
            "You average the logarithms of the components; p(x) adds the densities up "
            "first, and the logarithm comes last.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_variance,
            "You use `log_sds` as logarithms of variances: they are logarithms of standard "
            "deviations.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_raw_logits,
            "Your mixture weights do not add up to 1: logits have to be normalised.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_equal_weights,
            "The mixture weights make no difference to your answer.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_no_sd_in_front,
            "A narrow Gaussian is also a high one: the factor in front of the exponential "
            "lacks its standard deviation.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_no_two_pi,
            "The gradient is right, the value off by a constant: look at the factor in front "
            "of the exponential.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_no_half,
            "Look at the Gaussian's exponent again: a factor is missing.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_hard,
            "You keep only the best component of each point; the others have to be summed in too.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_one_gaussian,
            "That is one Gaussian with the mean and the variance of the mixture: a mixture "
            "of Gaussians is not Gaussian.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_detached_posterior,
            "The gradient is right, the value is not: that is the objective of EM's "
            "M-step and not the log-likelihood.",
            test="value-and-gradient",
        ),
        Mistake(
            mixture_with_epsilon,
            "Far from all components the density underflows, and the small number that you "
            "add hides it: stay with logarithms throughout.",
            test="far-away",
        ),
        Mistake(
            mixture_clamped,
            "You cut off small densities: far from all components their size still matters.",
            test="far-away",
        ),
    ],
    wrong=[
        Wrong(mixture_detached, test="value-and-gradient"),
        Wrong(mixture_detached_weights, test="value-and-gradient"),
        Wrong(mixture_softmax_over_batch, test="value-and-gradient"),
        Wrong(mixture_plain, test="far-away"),
    ],
    right=[mixture_by_distributions, mixture_by_loops],
    discouraged=("gencourse.graphical.GaussianMixture", "torch.distributions.MixtureSameFamily"),
)


# --- 10. train-logistic -----------------------------------------------------------------


def newton(x, y, penalty):
    """Minimise the mean NLL plus penalty . theta^2 / 2 over theta = (weight, bias), from zero."""
    a = np.concatenate([x.numpy(), np.ones((len(x), 1))], 1)
    theta = np.zeros(a.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-a @ theta))
        gradient = a.T @ (p - y.numpy()) / len(a) + penalty * theta
        hessian = (a.T * (p * (1 - p))) @ a / len(a) + np.diag(penalty) + 1e-9 * np.eye(len(theta))
        theta = theta - np.linalg.solve(hessian, gradient)
    return {"weight": theta[:-1], "bias": theta[-1]}


def train_reference(x, y, l2):
    return newton(x, y, np.array([l2] * x.shape[1] + [0.0]))


def train_with_lbfgs(x, y, l2):
    """A torch module, returned as it is."""
    model = torch.nn.Linear(x.shape[1], 1)
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        nll = F.binary_cross_entropy_with_logits(model(x.float())[:, 0], y.float())
        loss = nll + 0.5 * l2 * model.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return model


def train_with_adam(x, y, l2):
    """Adam from a random start, weight decay on the weights only."""
    weight = torch.randn(x.shape[1], dtype=torch.float64).requires_grad_()
    bias = torch.zeros((), dtype=torch.float64).requires_grad_()
    optimiser = torch.optim.Adam([weight, bias], lr=0.2)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.98)
    for _ in range(250):
        optimiser.zero_grad()
        logits = x @ weight + bias
        (F.softplus(logits) - y * logits).mean().add(l2 / 2 * weight @ weight).backward()
        optimiser.step()
        scheduler.step()
    return {"weight": weight, "bias": bias}


def train_with_descent(x, y, l2):
    """Plain gradient descent in numpy, lists out."""
    x, y = x.numpy(), y.numpy()
    weight, bias = np.zeros(x.shape[1]), 0.0
    for _ in range(1500):
        error = 1 / (1 + np.exp(-(x @ weight + bias))) - y
        weight = weight - 0.5 * (x.T @ error / len(x) + l2 * weight)
        bias = bias - 0.5 * error.mean()
    return {"weight": weight.tolist(), "bias": [bias]}


def train_with_sklearn(x, y, l2):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-8, max_iter=2000).fit(
        x.numpy(), y.numpy()
    )
    return {"weight": model.coef_, "bias": model.intercept_}


def train_no_penalty(x, y, l2):
    return newton(x, y, np.array([1e-4] * x.shape[1] + [0.0]))


def train_no_half(x, y, l2):
    """Penalise with l2 |w|^2."""
    return train_reference(x, y, 2 * l2)


def train_bias_penalised(x, y, l2):
    return newton(x, y, np.array([l2] * (x.shape[1] + 1)))


def train_sum_of_losses(x, y, l2):
    """The sum of the losses against the same penalty."""
    return train_reference(x, y, l2 / len(x))


def train_penalty_mean(x, y, l2):
    """The mean of the squared weights as the penalty."""
    return train_reference(x, y, l2 / x.shape[1])


def train_opposite_sign(x, y, l2):
    found = train_reference(x, y, l2)
    return {"weight": -found["weight"], "bias": -found["bias"]}


def train_least_squares(x, y, l2):
    """Fit the labels by regularised least squares."""
    a = np.concatenate([x.numpy(), np.ones((len(x), 1))], 1)
    penalty = np.diag([l2] * x.shape[1] + [0.0])
    theta = np.linalg.solve(a.T @ a / len(a) + penalty, a.T @ y.numpy() / len(a))
    return {"weight": theta[:-1], "bias": theta[-1]}


def train_lasso(x, y, l2):
    """The sum of absolute weights as the penalty, by proximal gradient."""
    x, y = x.numpy(), y.numpy()
    weight, bias = np.zeros(x.shape[1]), 0.0
    for _ in range(1500):
        error = 1 / (1 + np.exp(-(x @ weight + bias))) - y
        weight = weight - 0.5 * x.T @ error / len(x)
        weight = np.sign(weight) * np.maximum(np.abs(weight) - 0.5 * l2, 0)
        bias = bias - 0.5 * error.mean()
    return {"weight": weight, "bias": bias}


def train_ten_steps(x, y, l2):
    """Stop far too early."""
    x, y = x.numpy(), y.numpy()
    weight, bias = np.zeros(x.shape[1]), 0.0
    for _ in range(10):
        error = 1 / (1 + np.exp(-(x @ weight + bias))) - y
        weight, bias = (
            weight - 0.1 * (x.T @ error / len(x) + l2 * weight),
            bias - 0.1 * error.mean(),
        )
    return {"weight": weight, "bias": bias}


def train_no_bias(x, y, l2):
    found = newton(x, y, np.array([l2] * x.shape[1] + [1e6]))
    return {"weight": found["weight"], "bias": np.zeros(())}


def train_naive_bayes(x, y, l2):
    """Naive Bayes' weights: twins count twice."""
    x, y = x.numpy(), y.numpy()
    one, zero = [(x[y == c].sum(0) + 1) / ((y == c).sum() + 2) for c in (1, 0)]
    weight = np.log(one / (1 - one)) - np.log(zero / (1 - zero))
    bias = np.log(y.mean() / (1 - y.mean())) + np.log((1 - one) / (1 - zero)).sum()
    return {"weight": weight, "bias": bias}


def twins_of(x):
    """Return the first pair of equal columns, or None."""
    pairs = itertools.combinations(range(x.shape[1]), 2)
    return next(((i, j) for i, j in pairs if bool((x[:, i] == x[:, j]).all())), None)


def train_one_twin(x, y, l2):
    """Set the weight of one of two equal columns to 0, as if it were ignored."""
    keep = [j for j in range(x.shape[1]) if twins_of(x) is None or j != twins_of(x)[1]]
    found = train_reference(x[:, keep], y, l2)
    weight = np.zeros(x.shape[1])
    weight[keep] = found["weight"]
    return {"weight": weight, "bias": found["bias"]}


def train_both_in_full(x, y, l2):
    """Both of two equal columns get the weight that one of them would need."""
    found = train_one_twin(x, y, l2)
    if twins_of(x) is not None:
        i, j = twins_of(x)
        found["weight"][j] = found["weight"][i]
    return found


def train_uneven_twins(x, y, l2):
    """Predict as the best weights do, with all of the twins' weight on the first."""
    found = train_reference(x, y, l2)
    if twins_of(x) is not None:
        i, j = twins_of(x)
        found["weight"][i] += found["weight"][j]
        found["weight"][j] = 0.0
    return found


PENALTY_MISTAKES = (
    train_no_penalty,
    train_no_half,
    train_bias_penalised,
    train_sum_of_losses,
    train_penalty_mean,
    train_opposite_sign,
    train_least_squares,
    train_lasso,
    train_ten_steps,
    train_no_bias,
    train_naive_bayes,
)
TWIN_MISTAKES = (
    train_one_twin,
    train_both_in_full,
    train_naive_bayes,
    train_lasso,
    train_no_penalty,
)


def run_trained(answer, call):
    """Return the mean negative log-likelihood of the trained weights."""
    weights = {name: flat(part) for name, part in answer(**call).items()}
    return binary_logistic(weights, {"x": call["x"].numpy(), "y": call["y"].numpy()})["nll"]


def undecided(call):
    """Tell whether the best weights leave a mail so near one half that rounding decides."""
    found = train_reference(*as_tensors([call["x"], call["y"]]), call["l2"])
    return np.abs(call["x"] @ found["weight"] + found["bias"]).min() < 0.05


def draw_words(rng):
    """Sixty mails of four words; the bias is clearly not 0, the penalty clearly not negligible."""
    rates = np.array([0.6, 0.35, 0.5, 0.45])
    x = (rng.random((60, 4)) < rates).astype(float)
    logits = x @ (rng.permutation([2.2, -1.6, 1.2, -0.8])) + rng.choice([-1.4, 1.3])
    y = (rng.random(60) < 1 / (1 + np.exp(-logits))).astype(float)
    call = {"x": x, "y": y, "l2": float(rng.integers(3, 9) / 100)}
    return None if undecided(call) else call


def plain_inputs(rng):
    return separated(rng, draw_words, run_trained, train_reference, PENALTY_MISTAKES, 0.006)


def draw_twins(rng):
    """The same with one word always accompanied by another, as "bank" by "account"."""
    call = draw_words(rng)
    if call is None or twins_of(call["x"]) is not None:
        return None
    i, j = rng.permutation(4)[:2].tolist()
    call["x"][:, j] = call["x"][:, i]
    shared = train_reference(*as_tensors([call["x"], call["y"]]), call["l2"])["weight"][i]
    dearer = call["l2"] * shared**2  # what it costs to put all the weight on one of the two
    return None if undecided(call) or dearer < 0.006 else call


def twins_inputs(rng):
    return separated(rng, draw_twins, run_trained, train_reference, TWIN_MISTAKES, 0.006)


TRAIN = Exercise(
    id="train-logistic",
    answer="train_logistic",
    kind="weights",
    title="Train a logistic regression: bank and account",
    minutes=30,
    reference=train_reference,
    tests=[Test("penalty", 1, plain_inputs, cases=2), Test("twins", 2, twins_inputs, cases=2)],
    rtol=0.0,
    atol=0.002,
    evaluator="binary_logistic",
    mistakes=[
        Mistake(
            train_no_penalty,
            "The penalty makes next to no difference to your weights: is it there, and is the "
            "loss the mean over the mails and not their sum?",
            test="penalty",
        ),
        Mistake(
            train_no_half,
            "Your penalty is twice too strong: look at the factor in front of it.",
            test="penalty",
        ),
        Mistake(
            train_bias_penalised,
            "You penalise the bias too: only the weights are to be kept small.",
            test="penalty",
        ),
        Mistake(
            train_penalty_mean,
            "You take the mean of the squared weights: their sum is asked.",
            test="penalty",
        ),
        Mistake(
            train_opposite_sign,
            "All signs are reversed: here p(y = 1 | x) = sigmoid(weight.x + bias).",
            test="penalty",
        ),
        Mistake(
            train_least_squares,
            "That is least squares on the labels: the log-likelihood of the logistic model "
            "is asked.",
            test="penalty",
        ),
        Mistake(train_lasso, "You penalise absolute values: squares are asked.", test="penalty"),
        Mistake(train_no_bias, "The bias is missing.", test="penalty"),
        Mistake(
            train_one_twin,
            "You leave out one of the two words that always come together; the penalty has "
            "another favourite among all weights that predict the same.",
            test="twins",
        ),
        Mistake(
            train_both_in_full,
            "The two words that always come together count twice, as in naive Bayes.",
            test="twins",
        ),
    ],
    wrong=[
        Wrong(train_sum_of_losses, test="penalty"),
        Wrong(train_ten_steps, test="penalty"),
        Wrong(train_naive_bayes, test="penalty"),
        Wrong(train_no_penalty, test="twins"),
        Wrong(train_uneven_twins, test="twins"),
    ],
    right=[train_with_lbfgs, train_with_adam, train_with_descent, train_with_sklearn],
    discouraged=(
        "gencourse.graphical.LogisticRegression",
        "sklearn.linear_model.LogisticRegression",
    ),
)


# --- 11. learn-tree ---------------------------------------------------------------------


def information(x, cardinalities):
    """Return the mutual information of every pair of columns in nats, (D, D)."""
    x, d = x.numpy(), len(cardinalities)
    result = np.zeros((d, d))
    for i, j in itertools.permutations(range(d), 2):
        counts = np.zeros((cardinalities[i], cardinalities[j]))
        np.add.at(counts, (x[:, i], x[:, j]), 1)
        p = counts / len(x)
        q = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
        result[i, j] = (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()
    return result


def is_tree(edges, d):
    label = list(range(d))
    for i, j in edges:
        if label[i] == label[j]:
            return False
        label = [label[i] if k == label[j] else k for k in label]
    return len(edges) == d - 1


def best_spanning_tree(score):
    """Try all spanning trees."""
    d = len(score)
    pairs = list(itertools.combinations(range(d), 2))
    trees = [t for t in itertools.combinations(pairs, d - 1) if is_tree(t, d)]
    return max(trees, key=lambda t: sum(score[i, j] for i, j in t))


def tree_reference(x, cardinalities):
    return [list(edge) for edge in best_spanning_tree(information(x, cardinalities))]


def tree_by_prim(x, cardinalities):
    """Entropies by one-hot products in float32, and a tree that grows from the last variable."""
    one_hot = [F.one_hot(x[:, i], k).float() for i, k in enumerate(cardinalities)]

    def entropy(p):
        return -torch.special.xlogy(p, p).sum()

    d = len(cardinalities)
    inside, edges = {d - 1}, []
    while len(inside) < d:
        gains = {}
        for i in inside:
            for j in set(range(d)) - inside:
                joint = one_hot[i].T @ one_hot[j] / len(x)
                gains[i, j] = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)
        i, j = max(gains, key=gains.get)
        inside.add(j)
        edges.append((min(i, j), max(i, j)))
    return torch.tensor(sorted(edges))


def tree_by_networkx(x, cardinalities):
    import networkx as nx
    from sklearn.metrics import mutual_info_score

    graph = nx.Graph()
    for i, j in itertools.combinations(range(len(cardinalities)), 2):
        graph.add_edge(i, j, weight=mutual_info_score(x[:, i].numpy(), x[:, j].numpy()))
    tree = nx.maximum_spanning_tree(graph)
    return np.array(sorted(tuple(sorted(edge)) for edge in tree.edges), dtype=np.float32)


def tree_minimum(x, cardinalities):
    return [list(edge) for edge in best_spanning_tree(-information(x, cardinalities))]


def tree_strongest_pairs(x, cardinalities):
    """The D - 1 most informative pairs, whether or not they close a cycle."""
    score = information(x, cardinalities)
    pairs = sorted(itertools.combinations(range(len(score)), 2), key=lambda e: -score[e])
    return sorted([list(edge) for edge in pairs[: len(score) - 1]])


def tree_chain(x, cardinalities):
    """Start at variable 0 and always go on to the most informative variable left."""
    score, path = information(x, cardinalities), [0]
    while len(path) < len(score):
        path.append(max(set(range(len(score))) - set(path), key=lambda j: score[path[-1], j]))
    return sorted([min(i, j), max(i, j)] for i, j in itertools.pairwise(path))


def tree_best_earlier(x, cardinalities):
    """Give each variable the most informative of the earlier ones as its parent."""
    score = information(x, cardinalities)
    return sorted([int(score[:j, j].argmax()), j] for j in range(1, len(score)))


def tree_best_partner(x, cardinalities):
    """Join each variable to the one that tells most about it."""
    score = information(x, cardinalities)
    return sorted({tuple(sorted((i, int(row.argmax())))) for i, row in enumerate(score)})


def tree_star(x, cardinalities):
    """Join all variables to the most informative one."""
    score = information(x, cardinalities)
    centre = int(score.sum(1).argmax())
    return sorted([min(i, centre), max(i, centre)] for i in range(len(score)) if i != centre)


def tree_covariance(x, cardinalities):
    return [list(edge) for edge in best_spanning_tree(np.abs(np.cov(x.numpy().T)))]


def tree_correlation(x, cardinalities):
    return [list(edge) for edge in best_spanning_tree(np.abs(np.corrcoef(x.numpy().T)))]


def pair_entropies(x, cardinalities):
    """Return the joint entropy of every pair of columns in nats, (D, D)."""
    x, d = x.numpy(), len(cardinalities)
    result = np.zeros((d, d))
    for i, j in itertools.permutations(range(d), 2):
        p = np.unique(x[:, [i, j]], axis=0, return_counts=True)[1] / len(x)
        result[i, j] = -(p * np.log(p)).sum()
    return result


def tree_joint_entropy(x, cardinalities):
    return [list(edge) for edge in best_spanning_tree(-pair_entropies(x, cardinalities))]


def tree_normalised(x, cardinalities):
    """Divide the information by the joint entropy."""
    score = information(x, cardinalities) / (
        pair_entropies(x, cardinalities) + np.eye(len(cardinalities))
    )
    return [list(edge) for edge in best_spanning_tree(score)]


def tree_nan(x, cardinalities):
    """Logarithms of empty cells spoil the information of a pair; such pairs come last."""
    score = information(x, cardinalities)
    for i, j in itertools.combinations(range(len(score)), 2):
        pairs = {tuple(row) for row in x[:, [i, j]].tolist()}
        if len(pairs) < cardinalities[i] * cardinalities[j]:
            score[i, j] = score[j, i] = -1.0
    return [list(edge) for edge in best_spanning_tree(score)]


def tree_unweighted(x, cardinalities):
    """Add up the log ratios without their probabilities."""
    d = len(cardinalities)
    score = np.zeros((d, d))
    for i, j in itertools.permutations(range(d), 2):
        counts = np.zeros((cardinalities[i], cardinalities[j]))
        np.add.at(counts, (x[:, i].numpy(), x[:, j].numpy()), 1)
        p = counts / len(x)
        q = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
        score[i, j] = np.log(p[p > 0] / q[p > 0]).sum()
    return [list(edge) for edge in best_spanning_tree(score)]


def tree_clear(x, cardinalities):
    """Tell whether the best tree is ahead of all others by a hundredth of a nat."""
    score = information(torch.tensor(x), cardinalities)
    pairs = list(itertools.combinations(range(len(score)), 2))
    sums = sorted(
        sum(score[e] for e in t)
        for t in itertools.combinations(pairs, len(score) - 1)
        if is_tree(t, len(score))
    )
    return sums[-1] - sums[-2] > 0.01


BINARY_MISTAKES = (
    tree_minimum,
    tree_strongest_pairs,
    tree_chain,
    tree_best_earlier,
    tree_best_partner,
    tree_star,
)
STATES_MISTAKES = (
    tree_covariance,
    tree_correlation,
    tree_joint_entropy,
    tree_nan,
    tree_unweighted,
)


def draw_binary_data(rng):
    """Ninety rows of five binary variables from a random tree with links of different strength."""
    place = rng.permutation(5).tolist()
    x = np.zeros((90, 5), dtype=np.int64)
    x[:, place[0]] = rng.random(90) < 0.45
    for k in range(1, 5):
        keep = rng.uniform(0.68, 0.92)
        parent = x[:, place[int(rng.integers(k))]]
        x[:, place[k]] = np.where(rng.random(90) < keep, parent, 1 - parent)
    return {"x": x, "cardinalities": [2] * 5} if tree_clear(x, [2] * 5) else None


def binary_inputs(rng):
    return separated(
        rng, draw_binary_data, run_function, tree_reference, BINARY_MISTAKES, 0.5, distinct=True
    )


def draw_states_data(rng):
    """Two to four states whose numbers are only names, and links that leave cells empty."""
    place, cards = rng.permutation(5).tolist(), rng.permutation([2, 3, 4, 4, 3]).tolist()
    x = np.zeros((90, 5), dtype=np.int64)
    for k in range(5):
        i = place[k]
        if k == 0:
            x[:, i] = rng.integers(cards[i], size=90)
            continue
        parent = place[int(rng.integers(k))]
        rule = rng.permutation(np.arange(max(cards[i], cards[parent])) % cards[i])
        x[:, i] = np.where(
            rng.random(90) < rng.uniform(0.6, 0.95),
            rule[x[:, parent]],
            rng.integers(cards[i], size=90),
        )
    cards[int(rng.integers(5))] += 1  # a state that does not occur
    return {"x": x, "cardinalities": cards} if tree_clear(x, cards) else None


def states_inputs(rng):
    others = (*STATES_MISTAKES, tree_minimum)
    return separated(
        rng, draw_states_data, run_function, tree_reference, others, 0.5, distinct=True
    )


TREE = Exercise(
    id="learn-tree",
    answer="learn_tree",
    kind="function",
    title="A tree from data",
    minutes=30,
    reference=tree_reference,
    rtol=0.0,
    atol=0.25,
    tests=[Test("binary", 2, binary_inputs), Test("states", 1, states_inputs)],
    mistakes=[
        Mistake(
            tree_minimum,
            "You keep the weakest links: the best tree keeps the strongest.",
            test="binary",
        ),
        Mistake(
            tree_strongest_pairs,
            "Your edges close a cycle, so they leave some variable out: they have to be a tree.",
            test="binary",
        ),
        Mistake(tree_chain, "Your edges are a chain; a tree may branch.", test="binary"),
        Mistake(
            tree_best_earlier,
            "You link each variable to an earlier one: the order in which the columns are "
            "listed must not matter.",
            test="binary",
        ),
        Mistake(
            tree_best_partner,
            "You join each variable to its best partner; that need not connect all of them.",
            test="binary",
        ),
        Mistake(
            tree_star,
            "Your edges all meet in one variable; a tree may have several branching points.",
            test="binary",
        ),
        Mistake(
            tree_covariance,
            "The tree changes when states are renumbered: the numbers are only names. Covariance "
            "does not measure dependence here.",
            test="states",
        ),
        Mistake(
            tree_correlation,
            "The tree changes when states are renumbered: the numbers are only names. "
            "Correlation does not measure dependence here.",
            test="states",
        ),
        Mistake(
            tree_joint_entropy,
            "You rank pairs by their joint entropy: how much does one variable tell about the "
            "other?",
            test="states",
        ),
        Mistake(
            tree_nan,
            "Pairs with an empty cell seem to be left out: what is p log p at p = 0?",
            test="states",
        ),
        Mistake(
            tree_unweighted,
            "Each log ratio counts with the probability of its cell.",
            test="states",
        ),
    ],
    wrong=[Wrong(tree_minimum, test="states")],
    right=[tree_by_prim, tree_by_networkx],
    discouraged=(
        "gencourse.graphical.chow_liu",
        "gencourse.graphical.mutual_information",
        "sklearn.metrics.mutual_info_score",
    ),
)


EXERCISES = [COUNT, GAP, SAMPLER, CONNECTED, TASKS, MESSAGE, SPAM, LOGISTIC, MIXTURE, TRAIN, TREE]
