# %% [markdown]
# # Homework 1: graphical models
#
# Eleven exercises to program and one to write about, 40 points in all, about six hours. No
# exercise needs another one, so begin where you like.
#
# * Write your code where it says `YOUR CODE HERE`. Keep the names and the arguments of the
#   functions; helper functions of your own are welcome in the same cell.
# * The docstring is the contract: shapes, order of the axes, units. Logarithms are natural (nats),
#   indices and states start from 0.
# * Arrays arrive as torch tensors (numbers in double precision, states as integers). You may
#   return torch, numpy or plain Python numbers, in single or double precision.
# * The test cells under each exercise say in words what is wrong. More tests with other inputs are
#   run when the homework is graded, so an answer that fits the visible numbers only is worth
#   nothing.
# * The course library can solve some of these in one call. That is not an answer; as a second
#   opinion on an example of your own it is welcome.

# %%
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.exercises import check  # noqa: F401 (the test cells use it)

# %% [markdown]
# ## 1. How many numbers does a model need? (3 points, about 20 minutes)
#
# A table for $p(x_i \mid x_{\mathrm{pa}(i)})$ has one row for each joint state of the parents, and
# each row sums to 1. Count the **free** parameters of a Bayesian network
# $p(x) = \prod_i p(x_i \mid x_{\mathrm{pa}(i)})$ in which a conditional has one of three forms:
#
# | form | conditional |
# |---|---|
# | `"table"` | any distribution for each setting of the parents |
# | `"logistic"` | $p(x_i = 1 \mid x_{\mathrm{pa}})=\sigma(\alpha_0+\alpha^\top x_{\mathrm{pa}})$ |
# | `"neural"` | $p(x_i = 1 \mid x_{\mathrm{pa}})=\sigma(\alpha_0+\alpha^\top h)$ |
#
# The last has $H$ hidden units $h = \tanh(A x_{\mathrm{pa}} + b)$.
#
# Variables may share a conditional: in a *homogeneous* Markov chain all steps use the same table.
# Try your function on an RGB pixel with 256 levels a channel (all three channels depend on each
# other), on $n$ independent binary pixels, and on a first-order and a second-order chain. An RNN
# language model of five words is the case in which each word has all earlier ones as its parents.

# %% exercise="count-parameters"
def count_parameters(cardinalities, parents, forms, hidden, tied):
    """Return the number of free parameters of a Bayesian network.

    Args:
        cardinalities: list of n ints; variable i has the states 0 to cardinalities[i] - 1.
        parents: list of n lists of ints; parents[i] are the indices of i's parents.
        forms: list of n strings, "table", "logistic" or "neural". A variable without parents is
            always a table; "logistic" and "neural" occur only where it and its parents are binary.
        hidden: int, the number H of hidden units of each "neural" conditional.
        tied: list of groups, each a list of variables that share one and the same conditional.
            A variable in no group has one of its own.

    Returns:
        An int.
    """
    ### BEGIN SOLUTION
    total = 0
    followers = {i for group in tied for i in group[1:]}
    for i, above in enumerate(parents):
        if i in followers:
            continue
        m = len(above)
        if forms[i] == "table":
            rows = 1
            for j in above:
                rows *= cardinalities[j]
            total += rows * (cardinalities[i] - 1)
        elif forms[i] == "logistic":
            total += 1 + m
        else:
            total += hidden * m + hidden + hidden + 1  # A, b, alpha, alpha_0
    return total
    ### END SOLUTION


# %% [markdown]
# ## 2. How far from independent? (2 points, about 20 minutes)
#
# $A \perp B \mid C$ means $p(a, b \mid c) = p(a \mid c)\,p(b \mid c)$ for all $a, b$ and for every
# $c$ with $p(c) > 0$. Measure by how much a joint table violates this:
#
# $$\max_{c:\,p(c)>0}\ \max_{a,b}\ \bigl|\,p(a,b\mid c) - p(a\mid c)\,p(b\mid c)\,\bigr|.$$
#
# Variables of the table that are none of $A$, $B$, $C$ are summed out. A common cause makes its
# effects dependent, and independent again once it is known.

# %% exercise="independence-gap"
def independence_gap(joint, a, b, given):
    """Return the largest |p(a, b | c) - p(a | c) p(b | c)| over all states with p(c) > 0.

    Args:
        joint: tensor (K_0, ..., K_{n-1}), entries >= 0 that sum to 1; one axis a variable.
        a: int, the axis of A.
        b: int, the axis of B, other than a.
        given: list of ints, the axes of C in any order; empty for marginal independence.

    Returns:
        One number >= 0.
    """
    ### BEGIN SOLUTION
    others = [i for i in range(joint.ndim) if i not in (a, b, *given)]
    table = joint.permute(*given, *others, a, b)
    settings = math.prod(joint.shape[i] for i in given)
    table = table.reshape(settings, -1, joint.shape[a], joint.shape[b]).sum(1)  # (C, K_a, K_b)
    worst = 0.0
    for slice_ in table:
        if slice_.sum() > 0:
            p = slice_ / slice_.sum()
            worst = max(worst, (p - torch.outer(p.sum(1), p.sum(0))).abs().max().item())
    return worst
    ### END SOLUTION


# %% [markdown]
# ## 3. Sampling from a Bayesian network (3 points, about 25 minutes)
#
# *Ancestral sampling* draws each variable after its parents, from the row of its table that
# belongs to the states drawn for them. All randomness comes from uniform numbers $u \in (0, 1)$
# that are given to you. A categorical distribution $(p_0, \dots, p_{K-1})$ is sampled by inverting
# its cumulative distribution: the state is the smallest $k$ with
#
# $$u < p_0 + p_1 + \dots + p_k .$$

# %% exercise="ancestral-sampler"
def ancestral_sample(tables, parents, uniforms):
    """Return samples of a Bayesian network, made from given uniform numbers.

    Args:
        tables: list of n tensors; tables[i] has one axis for each of parents[i], in that order,
            and the states of variable i along its last axis, which sums to 1.
        parents: list of n lists of ints. Variables may be listed in any order: a parent may come
            after its child.
        uniforms: tensor (B, n); uniforms[b, i] decides variable i of sample b, and nothing else.

    Returns:
        Integers (B, n); column i is variable i.
    """
    ### BEGIN SOLUTION
    batch, n = uniforms.shape
    states = torch.zeros(batch, n, dtype=torch.long)
    done = set()
    while len(done) < n:
        i = next(i for i in range(n) if i not in done and done.issuperset(parents[i]))
        for sample in range(batch):
            row = tables[i]
            for j in parents[i]:
                row = row[states[sample, j]]
            states[sample, i] = (uniforms[sample, i] >= row.cumsum(0)).sum()
        done.add(i)
    return states
    ### END SOLUTION


# %% [markdown]
# ## 4. Which variables does an observation tell us about? (3 points, about 35 minutes)
#
# A path is *active* given the observed variables if no node in its middle blocks it: a node of a
# chain ($\to j \to$) or a fork ($\leftarrow j \to$) blocks when it is observed; a *collider*
# ($\to j \leftarrow$) blocks unless it or one of its descendants is observed. Two variables are
# *d-connected* if some path between them is active; otherwise the graph guarantees that they are
# independent given the observations.
#
# In the student network (difficulty and intelligence are the parents of the grade, intelligence of
# the SAT score, the grade of the letter) the difficulty $D$ says nothing about the intelligence
# $I$, until the grade, or just the letter, is known. Number the variables $(D, I, G, S, L)$ and
# check this, $S \perp \{D, G\} \mid I$ and $L \perp \{I, D, S\} \mid G$ with your function.

# %% exercise="d-connected"
def d_connected(parents, source, given):
    """Tell for every variable whether it is d-connected to `source` given the observed variables.

    Args:
        parents: list of n lists of ints, a directed acyclic graph; variables in any order.
        source: int, not observed.
        given: list of ints, the observed variables; may be empty.

    Returns:
        n bools (or 0 and 1): entry j is True if an active path joins source and j. It is False
        for the source itself and for observed variables.
    """
    ### BEGIN SOLUTION
    n = len(parents)
    watched = list(given)  # observed, or with an observed descendant: an open collider
    for j in watched:
        watched += [i for i in parents[j] if i not in watched]
    todo, seen = [(source, "from below")], set()
    while todo:
        node, side = todo.pop()
        if (node, side) in seen:
            continue
        seen.add((node, side))
        open_middle = node not in given
        if open_middle:
            todo += [(c, "from above") for c in range(n) if node in parents[c]]
        if (side == "from below" and open_middle) or (side == "from above" and node in watched):
            todo += [(p, "from below") for p in parents[node]]
    reached = {node for node, _ in seen}
    return [j in reached and j != source and j not in given for j in range(n)]
    ### END SOLUTION


# %% [markdown]
# ## 5. The three inference tasks, by brute force (6 points, about 45 minutes)
#
# A factor graph gives an assignment $x$ the score
# $\tilde p(x) = \prod_\alpha \psi_\alpha(x_\alpha)$. The potentials $\psi_\alpha \ge 0$ are
# opinions, not probabilities; only $p(x) = \tilde p(x) / Z$ with $Z = \sum_x \tilde p(x)$ is a
# distribution. A Bayesian network is the case in which the factors are its tables (and $Z = 1$).
# Given evidence $e$, states of some of the variables, three questions are asked again and again:
#
# 1. How probable is the evidence? $\log p(e)$, where $p(e)$ sums $p(x)$ over all $x$ that agree
#    with $e$.
# 2. What does each variable look like now? $p(x_i \mid e)$ for all $i$.
# 3. Which assignment is the most probable one? $\arg\max_x p(x \mid e)$, over all variables
#    jointly.
#
# Answer them by listing all assignments: the models here have at most a few dozen. (This is
# exponential in the number of variables, which is why the next exercise exists.) The tests hold
# two old acquaintances: in the lunch example $p(\text{tuna}, \text{ice cream})$ is about 0.0105,
# and in the red/blue network $x_2$, once known, changes what $x_4$ says about $x_3$.

# %% exercise="three-tasks"
def infer(factors, scopes, cardinalities, evidence, task):
    """Answer one of the three inference tasks for a factor graph by enumeration.

    Args:
        factors: list of tensors, all entries > 0.
        scopes: list of lists of ints; axis k of factors[f] belongs to variable scopes[f][k].
            A scope need not be sorted. Every variable is in at least one scope.
        cardinalities: list of n ints, the numbers of states.
        evidence: list of n entries, the observed state of each variable or None.
        task: "log-probability", "marginals" or "map".

    Returns:
        "log-probability": one number, log p(evidence) in nats.
        "marginals": list of n vectors, p(x_i | evidence) of length cardinalities[i]; for an
            observed variable all its mass is on the observed state.
        "map": n integers, the most probable joint assignment that agrees with the evidence.
    """
    ### BEGIN SOLUTION
    n = len(cardinalities)
    operands = [part for pair in zip(factors, scopes, strict=True) for part in pair]
    table = torch.einsum(*operands, list(range(n)))  # (K_0, ..., K_{n-1})
    total = table.sum()
    for axis, state in enumerate(evidence):
        if state is not None:
            keep = F.one_hot(torch.tensor(state), cardinalities[axis]).double()
            table = table * keep.reshape([-1 if i == axis else 1 for i in range(n)])
    if task == "log-probability":
        return (table.sum() / total).log()
    if task == "marginals":
        rows = [table.movedim(i, 0).flatten(1).sum(1) for i in range(n)]
        return [row / table.sum() for row in rows]
    flat, states = int(table.argmax()), []
    for k in reversed(cardinalities):
        states.insert(0, flat % k)
        flat //= k
    return states
    ### END SOLUTION


# %% [markdown]
# ## 6. One message of belief propagation (4 points, about 30 minutes)
#
# On a tree, sums over exponentially many assignments fall apart into messages between neighbours.
# Each variable $i$ has a factor $\phi_i(x_i)$, each edge a factor $\psi_{ij}(x_i, x_j)$. The
# message from $s$ to its neighbour $t$ is
#
# $$m_{s \to t}(x_t) = \sum_{x_s} \phi_s(x_s)\,\psi_{st}(x_s, x_t)
#   \prod_{u \in N(s) \setminus \{t\}} m_{u \to s}(x_s),$$
#
# everything that the part of the tree behind $s$ has to say about $x_t$. Messages are not
# normalised here: then $\sum_{x_t} \phi_t(x_t) \prod_{u \in N(t)} m_{u \to t}(x_t)$ is $Z$ at
# every node $t$.

# %% exercise="tree-message"
def message(unaries, edges, pairwise, source, target):
    """Return the sum-product message from `source` to its neighbour `target`, not normalised.

    Args:
        unaries: list of n tensors (K_i,), the factors of the single variables.
        edges: list of pairs [i, j] of ints that make a tree; either end may come first.
        pairwise: list of tensors, one an edge: for [i, j] of shape (K_i, K_j), i along the rows.
        source: int.
        target: int, a neighbour of source.

    Returns:
        K_target numbers: entry k belongs to state k of the target.
    """
    ### BEGIN SOLUTION
    inbox = unaries[source].clone()
    for (i, j), table in zip(edges, pairwise, strict=True):
        if {i, j} == {source, target}:
            towards = table if i == source else table.T
        elif source in (i, j):
            neighbour = j if i == source else i
            inbox *= message(unaries, edges, pairwise, neighbour, source)
    return torch.einsum("s,st->t", inbox, towards)
    ### END SOLUTION


# %% [markdown]
# ## 7. A spam filter that can leave mails half read (4 points, about 35 minutes)
#
# Naive Bayes for mails: $y = 1$ is spam, $x_i = 1$ says that word $i$ is in the mail, and given
# $y$ the words are independent. From counts, with smoothing $l$ (the notation $\#$ counts mails),
#
# $$\hat p(x_i = 1 \mid y = c) = \frac{\#\{x_i = 1, y = c\} + l}{\#\{y = c\} + 2l},
#   \qquad \hat p(y = 1) = \frac{\#\{y = 1\}}{\#\{\text{mails}\}},$$
#
# the second without smoothing. A new mail is judged by its log odds
# $\log p(y=1 \mid x) - \log p(y=0 \mid x)$. Words that have not been read are *marginalised*:
# summed out of $p(x, y)$. That is what a generative classifier can do and a logistic regression
# cannot.
#
# Two words that always come together ("bank" and "account", say) count twice: with rates 0.8 in
# spam and 0.2 elsewhere and as many spam mails as others, one word gives $p(\text{spam}) = 0.8$,
# its copy makes that 0.94.

# %% exercise="spam-filter"
class SpamFilter:
    """Bernoulli naive Bayes with two classes.

    Args:
        spam_rate: p(y = 1), a float.
        word_rates: tensor (2, D); word_rates[c, i] is p(x_i = 1 | y = c). None until estimated.
    """

    def __init__(self, spam_rate=0.5, word_rates=None):
        self.spam_rate = spam_rate
        self.word_rates = word_rates

    def estimate(self, x, y, smoothing):
        """Estimate the rate of spam and the word rates, keep both, return the latter.

        Args:
            x: integers 0 and 1, (B, D), one row a mail.
            y: integers 0 and 1, (B,); both occur.
            smoothing: float l >= 0.

        Returns:
            (2, D): the word rates, row 0 for y = 0 and row 1 for spam.
        """
        ### BEGIN SOLUTION
        x, y = x.double(), y.double()
        self.spam_rate = y.mean().item()
        hits = torch.stack([(1 - y) @ x, y @ x])  # (2, D)
        mails = torch.stack([(1 - y).sum(), y.sum()])
        self.word_rates = (hits + smoothing) / (mails[:, None] + 2 * smoothing)
        return self.word_rates
        ### END SOLUTION

    def log_odds(self, x, observed=None):
        """Return log p(y = 1 | words read) - log p(y = 0 | words read) in nats for each mail.

        Args:
            x: integers 0 and 1, (B, D). Where observed is False, the entry means nothing.
            observed: bools (B, D), True where the word has been read; None if all have.

        Returns:
            (B,): positive where spam is the more probable.
        """
        ### BEGIN SOLUTION
        rates = self.word_rates
        log_joint = x[:, None] * rates.log() + (1 - x[:, None]) * (1 - rates).log()  # (B, 2, D)
        if observed is not None:
            log_joint = log_joint.masked_fill(~observed[:, None], 0.0)  # p = 1 once summed out
        not_spam, spam = log_joint.sum(2).T
        return math.log(self.spam_rate) + spam - math.log(1 - self.spam_rate) - not_spam
        ### END SOLUTION


# %% [markdown]
# ## 8. A logistic regression nobody trained (2 points, about 20 minutes)
#
# Let $y \in \{0, 1\}$ with $p(y = 1) = \pi$, and given $y$ let the features be independent
# Gaussians with means $\mu_{iy}$ and standard deviations $\sigma_i$ that **do not depend on the
# class**. Then the posterior is logistic,
#
# $$p(y = 1 \mid x) = \frac{1}{1 + \exp\bigl(w_0 + \sum_i w_i x_i\bigr)} .$$
#
# Derive $w_0$ and $w_i$ by Bayes' rule: the quadratic terms cancel. Mind the sign: the lecture
# writes this posterior with a *plus* in the exponent, so a positive weight speaks for $y = 0$.

# %% exercise="gaussian-to-logistic"
def logistic_weights(prior, means, sds):
    """Return the weights of the logistic posterior of Gaussian naive Bayes.

    Args:
        prior: float, p(y = 1), strictly between 0 and 1.
        means: tensor (2, D); means[c] are the means of the features given y = c.
        sds: tensor (D,), the standard deviations, the same for both classes.

    Returns:
        (D + 1,): w_0, w_1, ..., w_D with p(y = 1 | x) = 1 / (1 + exp(w_0 + w_1 x_1 + ...)).
    """
    ### BEGIN SOLUTION
    m0, m1 = (row.numpy() for row in means)
    precision = sds.numpy() ** -2.0
    w = precision * (m0 - m1)
    w0 = np.log(1 - prior) - np.log(prior) - 0.5 * np.sum(w * (m0 + m1))
    return np.append(w0, w)
    ### END SOLUTION


# %% [markdown]
# ## 9. Learning with a hidden variable (3 points, about 25 minutes)
#
# In a mixture, a hidden $z$ picks a component and $x$ given $z = k$ is Gaussian, but $x$ itself is
# not:
#
# $$p(x) = \sum_{k} \pi_k\, \mathcal N(x;\, \mu_k, \sigma_k), \qquad
#   \pi = \mathrm{softmax}(\text{logits}), \quad \sigma_k = e^{\text{log sd}_k},$$
#
# where the second parameter of $\mathcal N$ is the standard deviation. Write the mean negative
# log-likelihood of some points so that it can be minimised by gradient descent: the tests look at
# its value and at its gradient by all three parameters. Points may be far from every component,
# where $\mathcal N(x; \mu_k, \sigma_k)$ is too small for a floating-point number, though its
# logarithm is not.

# %% exercise="mixture-likelihood"
def mixture_nll(x, logits, means, log_sds):
    """Return the mean negative log-likelihood of a mixture of K Gaussians.

    Args:
        x: tensor (B,), the points.
        logits: tensor (K,); the mixture weights are their softmax.
        means: tensor (K,).
        log_sds: tensor (K,), natural logarithms of the standard deviations.

    Returns:
        A scalar tensor in nats, differentiable by logits, means and log_sds.
    """
    ### BEGIN SOLUTION
    z = (x.unsqueeze(1) - means) / log_sds.exp()  # (B, K)
    log_normal = -z.square() / 2 - log_sds - math.log(math.sqrt(2 * math.pi))
    log_joint = F.log_softmax(logits, dim=0) + log_normal
    return -log_joint.logsumexp(dim=1).mean()
    ### END SOLUTION


# %% [markdown]
# ## 10. Train a logistic regression: bank and account (3 points, about 30 minutes)
#
# Here the usual sign is meant: $p(y = 1 \mid x) = \sigma(w^\top x + b)$. Find the weights that
# minimise
#
# $$J(w, b) = -\frac1B \sum_{n=1}^{B} \log p(y_n \mid x_n) + \frac{\lambda}{2} \sum_i w_i^2 ,$$
#
# the bias not penalised, by any method you like (gradient descent, Newton, an optimiser of
# torch's). $J$ is convex and has one minimum; come close to it: $J$ at your weights, and its first
# term, have to be right to 0.002 nats.
#
# In the second test two words always come together. Only the *sum* of their weights matters to the
# likelihood. Does the penalty set one of the two to zero, as you may have read? Look at your
# weights.

# %% exercise="train-logistic"
def train_logistic(x, y, l2):
    """Train a logistic regression with an L2 penalty on its weights.

    Args:
        x: tensor (B, D).
        y: tensor (B,) of 0. and 1.
        l2: float, the factor lambda > 0 of the penalty.

    Returns:
        {"weight": (D,), "bias": one number}, or a torch.nn.Linear(D, 1) with these as its
        parameters.
    """
    ### BEGIN SOLUTION
    inputs = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)  # (B, D + 1)
    penalty = torch.full((inputs.shape[1],), l2, dtype=x.dtype)
    penalty[-1] = 0.0  # the bias
    theta = torch.zeros_like(penalty)
    for _ in range(20):  # Newton's method
        p = torch.sigmoid(inputs @ theta)
        gradient = inputs.T @ (p - y) / len(x) + penalty * theta
        hessian = inputs.T @ (inputs * (p * (1 - p))[:, None]) / len(x) + penalty.diag()
        theta = theta - torch.linalg.solve(hessian, gradient)
    return {"weight": theta[:-1], "bias": theta[-1]}
    ### END SOLUTION


# %% [markdown]
# ## 11. A tree from data (3 points, about 30 minutes)
#
# Among all tree-shaped networks, whose conditional tables are then simply counted, the one with
# the highest likelihood has the edges of a spanning tree with the largest total mutual information
# (Chow and Liu, 1968),
#
# $$I(X_i; X_j) = \sum_{a, b} \hat p_{ij}(a, b)
#   \log \frac{\hat p_{ij}(a, b)}{\hat p_i(a)\, \hat p_j(b)},$$
#
# where $\hat p$ are relative frequencies in the data, without smoothing, and a pair of states that
# never occurs contributes 0. The numbers of the states are names: nothing may depend on their
# order.

# %% exercise="learn-tree"
def learn_tree(x, cardinalities):
    """Return the edges of the best tree over D discrete variables.

    Args:
        x: integers (B, D), one row a data point; column i holds states of variable i.
        cardinalities: list of D ints. A state may happen not to occur in x.

    Returns:
        D - 1 pairs [i, j] of ints with i < j, in increasing order: by i, then by j.
    """
    ### BEGIN SOLUTION
    strength = {}
    for i, j in itertools.combinations(range(len(cardinalities)), 2):
        cells = x[:, i] * cardinalities[j] + x[:, j]
        p = torch.bincount(cells, minlength=cardinalities[i] * cardinalities[j]).double() / len(x)
        p = p.reshape(cardinalities[i], cardinalities[j])
        product = torch.outer(p.sum(1), p.sum(0))
        seen = p > 0
        strength[i, j] = (p[seen] * (p[seen] / product[seen]).log()).sum().item()
    group = list(range(len(cardinalities)))  # Kruskal: join groups by the strongest link left
    edges = []
    for i, j in sorted(strength, key=strength.get, reverse=True):
        if group[i] != group[j]:
            edges.append([i, j])
            group = [group[i] if g == group[j] else g for g in group]
    return sorted(edges)
    ### END SOLUTION


# %% [markdown]
# ## 12. Two learning curves, and a claim (4 points, about 35 minutes, graded by hand)
#
# Test errors of naive Bayes (smoothing 1) and logistic regression (next to no penalty), trained on
# $m$ examples, averaged over 100 random splits. **A**: breast-cancer records, 30 features cut at
# their medians. **B**: odd against even handwritten digits, 64 pixels cut at half their range.
#
# | A: m | 8 | 16 | 32 | 64 | 128 | 256 | 360 |
# |---|---|---|---|---|---|---|---|
# | naive Bayes | 0.125 | 0.103 | 0.097 | 0.094 | 0.090 | 0.089 | 0.085 |
# | logistic regression | 0.242 | 0.180 | 0.129 | 0.114 | 0.109 | 0.098 | 0.086 |
#
# | B: m | 32 | 64 | 128 | 256 | 512 | 1024 | 1500 |
# |---|---|---|---|---|---|---|---|
# | naive Bayes | 0.215 | 0.189 | 0.176 | 0.173 | 0.162 | 0.159 | 0.160 |
# | logistic regression | 0.211 | 0.187 | 0.180 | 0.180 | 0.133 | 0.125 | 0.119 |
#
# A slide claims that with unlimited data logistic regression is never worse than naive Bayes. Here
# is a world of two binary features, with a probability of 1/20 for each count, in which both were
# fitted with unlimited data:
#
# | $x_1 x_2$ | 00 | 01 | 10 | 11 |
# |---|---|---|---|---|
# | $y = 0$ | 2 | 0 | 0 | 8 |
# | $y = 1$ | 1 | 3 | 2 | 4 |
#
# | | error (0-1) | mean $-\log p(y \mid x)$ |
# |---|---|---|
# | naive Bayes | 0.30 | 0.6714 |
# | logistic regression | 0.40 | 0.6683 |
#
# In at most 300 words:
#
# * **a.** Why is naive Bayes so far ahead in A when $m$ is small?
# * **b.** What makes logistic regression win in B when $m$ is large, and why does naive Bayes stop
#   improving?
# * **c.** In what sense is the slide right, in what sense is it wrong, and why is that no
#   contradiction?
# * **d.** Tomorrow a quarter of the features of each patient will be missing, other ones each
#   time. Which of the two trained models can still be used as it is, and how?

# %% [markdown] written="learning-curves" points=4
# *Your answer to a, b, c and d, in at most 300 words:*
#
# === BEGIN MARK SCHEME ===
#
# One point each; half points where the reason is missing.
#
# * **a (1).** Naive Bayes estimates each rate on its own, by counting, so few examples suffice (of
#   the order of the logarithm of the number of features; for logistic regression of the order of
#   that number, since its weights are fitted jointly). A strong assumption means more bias and
#   less variance, and at small m the variance decides. With m = 8 < 30 features the data are
#   separable and the unpenalised weights are hardly determined. "It has fewer parameters" is
#   wrong: 61 against 31, and gets no point on its own.
# * **b (1).** Neighbouring pixels are dependent given the class, so the assumption of naive Bayes
#   is wrong: it counts the same evidence several times. More data cannot mend a wrong model: its
#   error levels off at that of its limit (about 0.16). Logistic regression assumes nothing about
#   how the pixels depend on each other, only the linear log odds, and its limit is lower.
# * **c (1).** Right for the log loss, which is what logistic regression minimises over all linear
#   log odds, those of naive Bayes among them: 0.6683 <= 0.6714. Wrong for the 0-1 error, which it
#   does not minimise: 0.40 > 0.30. No contradiction, because a lower log loss does not imply fewer
#   errors when no linear model is true.
# * **d (1).** Naive Bayes: sum the missing features out of p(x, y), that is, leave their factors
#   out of the product; nothing has to be trained again. Logistic regression has no p(x) to sum
#   with; it would need imputation or a model for each pattern of missing features.
#
# === END MARK SCHEME ===
