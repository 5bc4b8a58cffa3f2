# %% [markdown]
# # Homework 2: autoregressive models
#
# Twelve exercises to program and one to write about, 40 points in all, about six hours. No
# exercise needs another one, so begin where you like.
#
# * Write your code where it says `YOUR CODE HERE`. Keep the names and the arguments of the
#   functions; helper functions of your own are welcome in the same cell.
# * The docstring is the contract: shapes, order of the axes, units. Logarithms are natural (nats),
#   indices start from 0, and $x_{<i}$ are the variables before $i$.
# * Arrays arrive as torch tensors (numbers in double precision, states as integers). You may
#   return torch, numpy or plain Python numbers, in single or double precision.
# * The test cells under each exercise say in words what is wrong. More tests with other inputs are
#   run when the homework is graded, so an answer that fits the visible numbers only is worth
#   nothing.
# * The course library can solve some of these in one call. That is not an answer; as a second
#   opinion on an example of your own it is welcome.

# %%
import math

import numpy as np
import torch
import torch.nn.functional as F

from gencourse.exercises import check  # noqa: F401 (the test cells use it)

# %% [markdown]
# ## 1. One logistic regression for each pixel (3 points, about 25 minutes)
#
# The chain rule holds in any ordering $o_0, o_1, \dots, o_{D-1}$ of the variables. A *fully
# visible sigmoid belief network* makes every factor a logistic regression:
#
# $$p(x) = \prod_i p(x_i \mid \text{the variables before } i), \qquad
#   p(x_i = 1 \mid \dots) = \sigma\Bigl(b_i + \sum_{j \text{ before } i} W_{ij}\, x_j\Bigr),
#   \qquad \sigma(a) = \frac{1}{1 + e^{-a}} .$$
#
# The matrix $W$ that you get is full: entries for $j = i$ and for later $j$ hold numbers, and must
# not be used. Write the log-likelihood, and exact sampling from given uniform numbers
# $u \in (0, 1)$: a variable is 1 where $u_i < p(x_i = 1 \mid \dots)$, and the later ones see what
# was drawn.


# %% exercise="fvsbn"
class FVSBN:
    """A fully visible sigmoid belief network over D binary variables.

    Args:
        W: tensor (D, D); W[i, j] is the weight of x_j in the regression for x_i.
        b: tensor (D,).
        order: integers (D,), a permutation; order[k] is the variable that comes k-th.
    """

    def __init__(self, W, b, order):
        self.W, self.b, self.order = W, b, order

    def log_prob(self, x):
        """Return log p(x) in nats for each row of x.

        Args:
            x: integers 0 and 1, (B, D); column i is variable i.

        Returns:
            (B,).
        """
        ### BEGIN SOLUTION
        x, total = x.double(), torch.zeros(len(x), dtype=torch.float64)
        for k, i in enumerate(self.order):
            before = self.order[:k]
            logits = x[:, before] @ self.W[i, before] + self.b[i]
            total += F.logsigmoid(torch.where(x[:, i] == 1, logits, -logits))
        return total
        ### END SOLUTION

    def sample(self, uniforms):
        """Draw one sample for each row of uniforms.

        Args:
            uniforms: tensor (n, D); uniforms[s, i] decides variable i of sample s.

        Returns:
            Integers 0 and 1, (n, D); column i is variable i.
        """
        ### BEGIN SOLUTION
        samples = torch.zeros_like(uniforms)
        for k, i in enumerate(self.order):
            before = self.order[:k]
            logits = samples[:, before] @ self.W[i, before] + self.b[i]
            samples[:, i] = torch.where(uniforms[:, i] < logits.sigmoid(), 1.0, 0.0)
        return samples.int()
        ### END SOLUTION


# %% [markdown]
# ## 2. NADE: sharing that saves a factor D (4 points, about 30 minutes)
#
# The neural autoregressive distribution estimator gives every variable a hidden layer of $H$
# units, all from *one* matrix $W$: with $W_{<i}$ its first $i$ columns,
#
# $$h_i = \sigma\bigl(W_{<i}\, x_{<i} + c\bigr), \qquad
#   p(x_i = 1 \mid x_{<i}) = \sigma\bigl(V_i^\top h_i + b_i\bigr).$$
#
# No independence is assumed: $x_i$ may depend on all earlier variables. Because the matrix is
# shared, the pre-activations $a_i = W_{<i}\,x_{<i} + c$ need not be computed afresh:
# $a_0 = c$ and $a_{i+1} = a_i + x_i W_{:,i}$, so that all $D$ conditionals cost $O(HD)$ instead of
# $O(HD^2)$. Write $\log p(x)$ in this way. The tests look at its value and at its gradient by all
# four parameters; the first test asks about all $x$, whose probabilities sum to 1. (The last
# column of $W$ never enters: what must its gradient be?)
#
# In the second test logits reach several hundreds, where $\sigma$ is 0 or 1 in floating point and
# $\log \sigma$ is an honest number.


# %% exercise="nade"
def nade_log_prob(x, W, V, b, c):
    """Return log p(x) of NADE in nats.

    Args:
        x: tensor (B, D) of 0. and 1.
        W: tensor (H, D).
        V: tensor (D, H); row i is V_i.
        b: tensor (D,).
        c: tensor (H,).

    Returns:
        (B,), differentiable by W, V, b and c.
    """
    ### BEGIN SOLUTION
    a, log_p = c.repeat(len(x), 1), []
    for x_i, W_i, V_i, b_i in zip(x.T, W.T, V, b, strict=True):
        logits = a.sigmoid() @ V_i + b_i
        log_p.append(F.logsigmoid((2 * x_i - 1) * logits))  # 1 - sigma(a) is sigma(-a)
        a = a + torch.outer(x_i, W_i)
    return torch.stack(log_p).sum(0)
    ### END SOLUTION


# %% [markdown]
# ## 3. RNADE: a mixture for every real variable (3 points, about 25 minutes)
#
# For real $x_i$, RNADE makes each conditional a mixture of $K$ Gaussians. Its hidden layer has
# rectifiers and a scale $\rho_i$ for each variable,
#
# $$h_i = \max\bigl(0,\ \rho_i\,(W_{<i}\, x_{<i} + c)\bigr) ,$$
#
# and three linear outputs for each component, the score $s_{ik}$, the mean $\mu_{ik}$ and the
# logarithm of the **standard deviation**, $\log \sigma_{ik}$:
#
# $$s_i = V^{(0)}_i h_i + b^{(0)}_i, \quad \mu_i = V^{(1)}_i h_i + b^{(1)}_i, \quad
#   \log \sigma_i = V^{(2)}_i h_i + b^{(2)}_i, \qquad
#   \pi_{ik} = \frac{e^{s_{ik}}}{\sum_{k'} e^{s_{ik'}}} ,$$
#
# $$p(x_i \mid x_{<i}) = \sum_{k=1}^{K} \pi_{ik}\,
#   \frac{1}{\sqrt{2\pi}\,\sigma_{ik}}
#   \exp\Bigl(-\frac{(x_i - \mu_{ik})^2}{2\,\sigma_{ik}^2}\Bigr).$$
#
# The first test has a single variable and a grid of values with a spacing of 0.25: times 0.25,
# the densities must sum to 1. In the last one a value is hundreds away from all components, where
# the density is too small for a floating-point number and its logarithm is not.


# %% exercise="rnade"
def rnade_log_conditionals(x, W, c, rho, V, b):
    """Return log p(x_i | x_<i) of RNADE in nats, for every variable.

    Args:
        x: tensor (B, D).
        W: tensor (H, D).
        c: tensor (H,).
        rho: tensor (D,), positive.
        V: tensor (3, D, K, H): for scores, means and log standard deviations, in this order.
        b: tensor (3, D, K), likewise.

    Returns:
        (B, D).
    """
    ### BEGIN SOLUTION
    log_p, a = torch.empty_like(x), c.repeat(len(x), 1)
    for i in range(x.shape[1]):
        h = F.relu(rho[i] * a)  # (B, H)
        s, mu, log_sd = (h @ V[k, i].T + b[k, i] for k in range(3))  # (B, K) each
        z = (x[:, i : i + 1] - mu) / log_sd.exp()
        log_gauss = -0.5 * z**2 - log_sd - 0.5 * math.log(2 * math.pi)
        log_p[:, i] = (s.log_softmax(1) + log_gauss).logsumexp(1)
        a = a + torch.outer(x[:, i], W[:, i])
    return log_p
    ### END SOLUTION


# %% [markdown]
# ## 4. MADE: one network, several orderings (4 points, about 35 minutes)
#
# A *masked autoencoder* gives a degree to everything. A variable's degree is its place in the
# ordering, from 1 to $D$; hidden units have fixed degrees between 1 and $D - 1$, and a unit of
# degree $m$ may know the first $m$ variables. A connection survives
#
# * into a hidden unit, from the inputs or from another hidden layer: if the degree does not fall,
#   $m_{\text{upper}} \ge m_{\text{lower}}$;
# * into the output for variable $i$: if the degree of $i$ is strictly larger,
#   $m_i > m_{\text{lower}}$.
#
# Then, in one pass, output $i$ is a logit that knows the variables before $i$ and nothing else:
#
# $$h^{0} = x, \qquad
#   h^{l} = \max\bigl(0,\ (M^l \odot W^l)\, h^{l-1} + b^l\bigr) \ \ (1 \le l \le L), \qquad
#   \text{logits} = (M^{L+1} \odot W^{L+1})\, h^{L} + b^{L+1},$$
#
# with $p(x_i = 1 \mid \dots) = \sigma(\text{logit}_i)$. Another ordering only changes the masks.
# A model with $M$ orderings is their **average**, $p(x) = \frac1M \sum_m p_m(x)$.


# %% exercise="made"
class MADE:
    """A masked autoencoder over D binary variables, with L hidden layers.

    Args:
        weights: list of L + 1 tensors, from the inputs upwards: (H_1, D), ..., (D, H_L).
        biases: list of L + 1 tensors: (H_1,), ..., (D,).
        degrees: list of L integer tensors (H_l,), the degrees of the hidden units.
    """

    def __init__(self, weights, biases, degrees):
        self.weights, self.biases, self.degrees = weights, biases, degrees

    def masks(self, order):
        """Return the masks for an ordering.

        Args:
            order: integers (D,), a permutation; order[k] is the variable that comes k-th.

        Returns:
            List of L + 1 arrays of 0 and 1 (or bools), each in the shape of its weight matrix.
        """
        ### BEGIN SOLUTION
        inputs = torch.zeros_like(order)
        inputs[order] = torch.arange(1, len(order) + 1)
        masks, lower = [], inputs
        for upper in self.degrees:
            masks.append((upper.unsqueeze(1) >= lower).double())
            lower = upper
        return [*masks, (inputs.unsqueeze(1) > lower).double()]
        ### END SOLUTION

    def log_prob(self, x, orders):
        """Return log p(x) in nats of the average over some orderings.

        Args:
            x: integers 0 and 1, (B, D).
            orders: integers (M, D), one ordering a row.

        Returns:
            (B,).
        """
        ### BEGIN SOLUTION
        each = []
        for order in orders:
            h = x.double()
            *hidden, top = zip(self.masks(order), self.weights, self.biases, strict=True)
            for mask, W, b in hidden:
                h = F.relu(F.linear(h, mask * W, b))
            logits = F.linear(h, top[0] * top[1], top[2])
            each.append(F.logsigmoid(torch.where(x == 1, logits, -logits)).sum(1))
        return torch.logsumexp(torch.stack(each, 1), 1) - math.log(len(orders))
        ### END SOLUTION


# %% [markdown]
# ## 5. PixelCNN's masks, in colour (3 points, about 25 minutes)
#
# Pixels come row by row, each row from left to right; within a pixel R comes first, then G, then
# B:
#
# $$p(x) = \prod_i p(x_{i,R} \mid x_{<i})\; p(x_{i,G} \mid x_{<i}, x_{i,R})\;
#   p(x_{i,B} \mid x_{<i}, x_{i,R}, x_{i,G}).$$
#
# A PixelCNN keeps to this order by masking its kernels. All channels of earlier pixels are open,
# all of later pixels closed. At the centre the colours decide: with **mask A**, for the first
# layer, an output of colour $t$ may see an input of colour $s$ if $s$ comes before $t$; with
# **mask B**, for the layers after it, also if $s = t$, because their features have lost the
# present value already. In a grey image all channels have the same colour.
#
# What if mask A is forgotten? In a "model" of a single pixel with
# $p(x = 1) = \sigma(2x)$ the two probabilities sum to $\sigma(2) + 1 - \sigma(0) = 1.3808$.


# %% exercise="pixel-masks"
def causal_masks(in_colours, out_colours, size):
    """Return PixelCNN's masks for a square kernel.

    Args:
        in_colours: list of I ints, the colour of each input channel: 0 is R, 1 is G, 2 is B.
            Channels come in any order, and a colour may occur several times or never.
        out_colours: list of O ints, the colours of the output channels.
        size: int, height and width of the kernel, odd.

    Returns:
        {"A": mask, "B": mask}, each (O, I, size, size) of 0 and 1 (or bools), where 1 is open;
        rows of the kernel come before columns.
    """
    ### BEGIN SOLUTION
    rows, columns = np.indices((size, size)) - size // 2
    earlier = (rows < 0) | ((rows == 0) & (columns < 0))
    centre = (rows == 0) & (columns == 0)
    s = np.array(in_colours)[None, :, None, None]
    t = np.array(out_colours)[:, None, None, None]
    return {"A": earlier | (centre & (s < t)), "B": earlier | (centre & (s <= t))}
    ### END SOLUTION


# %% [markdown]
# ## 6. Which pixels does a pixel see? (3 points, about 30 minutes)
#
# Follow the paths. Each model below has a first layer, which reads the (grey) image, and then
# `layers` more; asked are the image's pixels that reach the features of the last layer at one
# place. Outside of the image there is nothing (zero padding), and no weight is 0 by chance.
#
# * `"pixelcnn"`. The first layer reads the pixels that mask A opens in a 3x3 kernel, a later one
#   the features of the layer below that mask B opens in a 3x3 kernel.
# * `"two-stacks"` has a vertical and a horizontal feature at each place. In the first layer the
#   vertical one reads the pixels $(i-1, j-1)$, $(i-1, j)$, $(i-1, j+1)$, the horizontal one the
#   pixel $(i, j-1)$. In a later layer the vertical one reads the vertical features of the layer
#   below at these three places and at $(i, j-1)$, $(i, j)$, $(i, j+1)$, the horizontal one the
#   horizontal features of the layer below at $(i, j-1)$ and $(i, j)$. In every layer,
#   also in the first, the horizontal feature reads the vertical one of the *same* layer at
#   $(i, j)$ besides.
# * `"row-lstm"`. The first layer is that of `"pixelcnn"`. A later one has states: that at $(i, j)$
#   reads the features of the layer below at $(i, j-1)$ and $(i, j)$, and the states of the *same*
#   layer at $(i-1, j-1)$, $(i-1, j)$, $(i-1, j+1)$.
#
# The second is the gated PixelCNN, whose output comes from the horizontal stack. You will meet the
# blind spot of the first model, its cure in the second, and the triangle of the third.


# %% exercise="pixel-context"
def context(model, height, width, layers, row, column):
    """Return which pixels reach the last layer's feature at one place.

    Args:
        model: "pixelcnn", "two-stacks" (its horizontal stack is meant) or "row-lstm".
        height: int, of the image.
        width: int, of the image.
        layers: int >= 1, the number of layers after the first one.
        row: int, i of the place.
        column: int, j of the place.

    Returns:
        (height, width) bools (or 0 and 1): True where the pixel is seen.
    """
    ### BEGIN SOLUTION
    above = {(-1, -1), (-1, 0), (-1, 1)}

    def spread(places, offsets):
        moved = {(i + di, j + dj) for i, j in places for di, dj in offsets}
        return {(i, j) for i, j in moved if 0 <= i < height and 0 <= j < width}

    places = {(row, column)}  # where features are needed, from the last layer down
    vertical = set()
    for _ in range(layers):
        if model == "pixelcnn":
            places = spread(places, {(0, -1), (0, 0)} | above)
        elif model == "row-lstm":
            for _ in range(height):  # states need states of the row above, to the first row
                places = places | spread(places, above)
            places = spread(places, {(0, -1), (0, 0)})
        else:
            vertical = spread(vertical | places, {(0, -1), (0, 0), (0, 1)} | above)
            places = spread(places, {(0, -1), (0, 0)})
    if model == "two-stacks":
        seen = spread(places, {(0, -1)}) | spread(vertical | places, above)
    else:
        seen = spread(places, {(0, -1)} | above)
    return [[(i, j) in seen for j in range(width)] for i in range(height)]
    ### END SOLUTION


# %% [markdown]
# ## 7. Along the diagonals, from both sides (3 points, about 30 minutes)
#
# The Diagonal BiLSTM sees everything before a pixel. Here its LSTM is replaced by a scalar cell,
# so that every number can be followed. The state at a pixel comes from the states to the left and
# above, which lie on the diagonal before:
#
# $$s_{ij} = \tanh\bigl(x_{ij} + \beta\, s_{i,j-1} + \alpha\, s_{i-1,j}\bigr), \qquad
#   s = 0 \text{ outside of the image.}$$
#
# Here $\beta$ is `beside` and $\alpha$ is `above`; $x$ are features, which have already lost the
# present pixel. **Skewing** makes this parallel: shift row $i$ to the right by $i$ columns, with
# zeros around it, $(H, W) \to (H, W + H - 1)$. Then a diagonal is a column, and a whole column of
# states follows from the column before.
#
# A second scan runs from the right: mirror the features left to right, scan, mirror the states
# back, $s'$. It may not be added as it is: its state at $(i, j)$ knows features to the right in
# the same row, which is the future. So it is moved **down by one row** first, with zeros on top:
# $\text{both}_{ij} = s_{ij} + s'_{i-1,j}$.


# %% exercise="diagonal-bilstm"
class DiagonalScan:
    """Scans along the diagonals of an image of features.

    Args:
        beside: float, factor of the state beside (to the left, in the scan from the left).
        above: float, factor of the state above.
    """

    def __init__(self, beside, above):
        self.beside, self.above = beside, above

    def skew(self, x):
        """Shift row i to the right by i, (H, W) -> (H, W + H - 1), with zeros around it."""
        ### BEGIN SOLUTION
        height = len(x)
        return torch.stack([F.pad(row, (i, height - 1 - i)) for i, row in enumerate(x)])
        ### END SOLUTION

    def states(self, x):
        """Return the states of the scan from the left, not skewed, (H, W) -> (H, W)."""
        ### BEGIN SOLUTION
        height, width = x.shape
        skewed = self.skew(x)
        s = torch.zeros(height + 1, width + height)  # a row of zeros above, a column before
        s = s.to(x)
        for k in range(skewed.shape[1]):
            inputs = skewed[:, k] + self.beside * s[1:, k] + self.above * s[:-1, k]
            s[1:, k + 1] = torch.tanh(inputs)
        return torch.stack([s[i + 1, i + 1 : i + 1 + width] for i in range(height)])
        ### END SOLUTION

    def both(self, x):
        """Return the states of the scan from the left plus those from the right, a row lower.

        Maps (H, W) -> (H, W).
        """
        ### BEGIN SOLUTION
        total = self.states(x)
        from_right = self.states(x.flip(-1)).flip(-1)
        total[1:] += from_right[:-1]
        return total
        ### END SOLUTION


# %% [markdown]
# ## 8. A language model speaks (3 points, about 30 minutes)
#
# A recurrent network over $K$ tokens keeps a state $h$ of all tokens so far: $h_0 = 0$ before the
# first one, and after token $w_t$
#
# $$h_t = \tanh\bigl(R\, h_{t-1} + E_{w_t}\bigr), \qquad
#   p(w_{t+1} = k \mid w_{\le t}) = \frac{e^{(U h_t + c)_k / T}}
#   {\sum_{k'} e^{(U h_t + c)_{k'} / T}} .$$
#
# $T > 0$ is the temperature of *this conditional*: below 1 it sharpens, above 1 it flattens. Draw
# continuations of a prefix. Each token is fed to the network once and the state kept, so that a
# token costs the same however long the text is; the prefix is fed, not drawn, and that is exact,
# because it comes first in the ordering. A token is the smallest $k$ with
# $u < p_0 + p_1 + \dots + p_k$.


# %% exercise="language-model"
def generate(E, R, U, c, prefix, uniforms, temperature):
    """Draw continuations of a prefix from a recurrent language model.

    Args:
        E: tensor (K, H), row k is the embedding of token k.
        R: tensor (H, H).
        U: tensor (K, H).
        c: tensor (K,).
        prefix: list of ints, the tokens before the first one that is drawn; may be empty.
        uniforms: tensor (n, L); uniforms[s, t] decides the t-th drawn token of sample s.
        temperature: float T > 0.

    Returns:
        Integers (n, L), the drawn tokens without the prefix.
    """
    ### BEGIN SOLUTION
    samples = torch.zeros(uniforms.shape, dtype=torch.long)
    h = torch.zeros(len(uniforms), R.shape[0], dtype=R.dtype)
    for token in prefix:
        h = (F.linear(h, R) + E[token]).tanh()
    for t in range(uniforms.shape[1]):
        p = F.softmax(F.linear(h, U, c) / temperature, dim=1)
        below = p.cumsum(1)[:, :-1] <= uniforms[:, t : t + 1]
        samples[:, t] = below.sum(1)
        h = (F.linear(h, R) + E[samples[:, t]]).tanh()
    return samples
    ### END SOLUTION


# %% [markdown]
# ## 9. WaveNet, all at once and sample by sample (4 points, about 40 minutes)
#
# **Companding.** WaveNet predicts one of `levels` codes. A sample $x \in [-1, 1]$ is squeezed by
# the $\mu$-law with $\mu = \text{levels} - 1$, which gives quiet sounds more codes, and rounded to
# the nearest one:
#
# $$y = \mathrm{sign}(x)\, \frac{\ln(1 + \mu\,|x|)}{\ln(1 + \mu)}, \qquad
#   \text{code} = \mathrm{round}\Bigl(\frac{y + 1}{2}\,\mu\Bigr).$$
#
# Decoding goes back: $y = 2\,\text{code}/\mu - 1$, then
# $x = \mathrm{sign}(y)\,\bigl((1 + \mu)^{|y|} - 1\bigr)/\mu$.
#
# **Dilation.** Layer $l = 0, 1, \dots, L - 1$ has two taps, $2^l$ samples apart:
#
# $$y^{l}_t = \tanh\bigl(w_{l0}\, y^{l-1}_{t - 2^l} + w_{l1}\, y^{l-1}_t\bigr), \qquad
#   y^{-1} = x, \qquad \text{and 0 before the beginning.}$$
#
# With $L$ layers $y^{L-1}_t$ sees $2^L$ samples, $x_{t-2^L+1}$ to $x_t$ (let $x$ be a single 1
# and look where the outputs are not 0).
#
# **Streaming.** Drawing a sound would be slow if every new sample needed a pass over all of it.
# `step` takes one new sample and returns the newest output at a cost of $O(L)$: each layer keeps a
# queue of its last $2^l$ inputs. Its outputs are those of `forward`, one after the other.


# %% exercise="wavenet"
class WaveStack:
    """Dilated causal layers with two taps each.

    Args:
        weights: tensor (L, 2); weights[l, 0] belongs to the earlier sample, weights[l, 1] to the
            present one.
        levels: int, the number of codes.
    """

    def __init__(self, weights, levels):
        self.weights, self.levels = weights, levels
        ### BEGIN SOLUTION
        self.mu = levels - 1
        self.queues = [np.zeros(2**layer) for layer in range(len(weights))]
        ### END SOLUTION

    def encode(self, x):
        """Return the codes of samples, (N,) in [-1, 1] -> integers (N,) from 0 to levels - 1."""
        ### BEGIN SOLUTION
        x = x.numpy()
        y = np.sign(x) * np.log(1 + self.mu * np.abs(x)) / np.log(1 + self.mu)
        return np.rint((y + 1) / 2 * self.mu).astype(int)
        ### END SOLUTION

    def decode(self, codes):
        """Return the samples that codes stand for, integers (N,) -> (N,) in [-1, 1]."""
        ### BEGIN SOLUTION
        y = 2 * codes.numpy() / self.mu - 1
        return np.sign(y) * (np.power(1.0 + self.mu, np.abs(y)) - 1) / self.mu
        ### END SOLUTION

    def forward(self, x):
        """Return the outputs of the last layer for a whole sound, (N,) -> (N,)."""
        ### BEGIN SOLUTION
        y = x.numpy()
        for layer, (past, present) in enumerate(self.weights.tolist()):
            delayed = np.concatenate([np.zeros(2**layer), y])[: len(y)]
            y = np.tanh(past * delayed + present * y)
        return y
        ### END SOLUTION

    def step(self, value):
        """Take one more sample, a float, and return the newest output of the last layer."""
        ### BEGIN SOLUTION
        y = value
        for layer, (past, present) in enumerate(self.weights.tolist()):
            queue = self.queues[layer]
            earlier = queue[0]
            self.queues[layer] = np.append(queue[1:], y)
            y = math.tanh(past * earlier + present * y)
        return y
        ### END SOLUTION


# %% [markdown]
# ## 10. Completing what is half seen (3 points, about 30 minutes)
#
# Some variables are given, the others are to be completed. If the given ones come first, hold
# them and draw the rest in order: that is exact. If one comes late, holding it ("clamping")
# ignores what it says about the variables before it. Let $x_0$ be a fair coin and $x_1$ a copy of
# it that is wrong one time in ten. Given $x_1 = 1$, $p(x_0 = 1 \mid x_1 = 1) = 0.9$; who clamps
# $x_1$ draws $x_0$ first and gets 0.5.
#
# Compute the truth for a small model, given by its conditionals:
#
# $$p(\text{given}) = \sum_{x \text{ that agrees}} \prod_i p(x_i \mid x_{<i}), \qquad
#   p(x_i = 1 \mid \text{given}) = \frac{p(x_i = 1,\ \text{given})}{p(\text{given})} .$$


# %% exercise="completion"
def complete(conditionals, given):
    """Return what a model knows when some of its variables are given.

    Args:
        conditionals: list of D tensors; conditionals[i] has i axes of size 2, and its entry at
            [x_0, ..., x_{i-1}] is p(x_i = 1 | x_0, ..., x_{i-1}). The first is a single number.
        given: list of D entries, each 0, 1, or None where nothing is given.

    Returns:
        {"log_evidence": log p(given) in nats, one number,
         "marginals": (D,), p(x_i = 1 | given) for each i; 0 or 1 where x_i is given}.
    """
    ### BEGIN SOLUTION
    joint = torch.ones((), dtype=torch.float64)
    for p_one in conditionals:
        joint = torch.stack([joint * (1 - p_one), joint * p_one], dim=-1)
    for axis, state in enumerate(given):
        if state is not None:
            joint = joint.index_fill(axis, torch.tensor([1 - state]), 0.0)
    ones = torch.stack([joint.select(axis, 1).sum() for axis in range(len(given))])
    return {"log_evidence": joint.sum().log(), "marginals": ones / joint.sum()}
    ### END SOLUTION


# %% [markdown]
# ## 11. Bits, and how odd an image is (2 points, about 15 minutes)
#
# **Units.** A mean log-likelihood of $-88.33$ nats for binary images of $28 \times 28$ pixels is
#
# $$\frac{88.33}{784 \cdot \ln 2} = 0.1625 \ \text{bits per dimension};$$
#
# all axes of an image count, colours too. Only probabilities compare. If the model is a *density*
# over pixels that were scaled from $n$ levels to $[0, 1]$, each level has a width of $1/n$ in each
# of the $D$ dimensions: $-\log P(x) = -\log p(x) + D \ln n$, and the bits follow from $P$.
#
# **Ranks.** Is a new image an anomaly? Its p-value compares its log-probability with those of $N$
# training images (the new one counts among those compared):
#
# $$\frac{1 + \#\{n : \log p(x_n) \le \log p(x)\}}{N + 1} .$$


# %% exercise="measures"
class Measures:
    """What log-probabilities of images say.

    Args:
        train_log_probs: tensor (N,), log p of the training images in nats.
        event_shape: list of ints, the axes of one image: channels, height, width.
    """

    def __init__(self, train_log_probs, event_shape):
        self.train_log_probs, self.event_shape = train_log_probs, event_shape

    def bits_per_dim(self, log_probs, levels):
        """Return the mean negative log-likelihood of some images in bits per dimension.

        Args:
            log_probs: tensor (B,) in nats: of probabilities if levels is None, otherwise of
                densities over pixels scaled to [0, 1].
            levels: int, the number of levels that were scaled to [0, 1], or None.

        Returns:
            One number.
        """
        ### BEGIN SOLUTION
        dimensions = math.prod(self.event_shape)
        bits = -log_probs.mean() / math.log(2) / dimensions
        return bits if levels is None else bits + math.log2(levels)
        ### END SOLUTION

    def p_values(self, log_probs):
        """Return the rank p-values of some new images, (B,) -> (B,)."""
        ### BEGIN SOLUTION
        as_odd = [(self.train_log_probs <= value).sum().item() for value in log_probs]
        return [(1 + n) / (1 + len(self.train_log_probs)) for n in as_odd]
        ### END SOLUTION


# %% [markdown]
# ## 12. Train a NADE on bars (2 points, about 25 minutes)
#
# The data are noisy 3x3 images of one bar, upright or lying, flattened to $D = 9$ binary
# variables. Train a NADE (exercise 2's formula, variables in the given order) by any method you
# like, and return its four parameters, or a `gencourse.autoregressive.NADE` that you trained. It
# is judged on the images `valid`: its mean $-\log p(x)$ there has to come within 0.8 nats of a
# reference that is near 3. Independent pixels reach 5.8, coin tosses
# $9 \ln 2 = 6.24$.
#
# A training loss of almost 0 is no triumph: then $x_i$ is in its own context. The judge uses the
# right formula, and such weights do worse than coins there. It should take a second or two at
# most.


# %% exercise="train-nade"
def train_nade(x, valid, num_hidden):
    """Train a NADE.

    Args:
        x: tensor (B, 9) of 0. and 1., the training images.
        valid: tensor (B', 9), images to tell by when to stop; the judge uses them too.
        num_hidden: int H.

    Returns:
        {"W": (H, 9), "V": (9, H), "b": (9,), "c": (H,)}, or a torch.nn.Module whose parameters
        have these names and shapes.
    """
    ### BEGIN SOLUTION
    from gencourse.autoregressive import NADE

    model = NADE(x.shape[1], num_hidden=num_hidden).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    best, state = math.inf, model.state_dict()
    for _ in range(120):
        optimiser.zero_grad()
        (-model.log_prob(x).mean()).backward()
        optimiser.step()
        with torch.no_grad():
            now = -model.log_prob(valid).mean().item()
        if now < best:
            best, state = now, {name: w.clone() for name, w in model.state_dict().items()}
    model.load_state_dict(state)
    return model
    ### END SOLUTION


# %% [markdown]
# ## 13. Three claims (3 points, about 20 minutes, graded by hand)
#
# **a.** "An image to which our model gives a high probability is a normal one; to find anomalies,
# raise the alarm where the p-value of exercise 11 is below 0.05." The model: 784 independent
# pixels, each white with probability 0.1 (and the images really are like that). Images drawn from
# it have a $-\log p(x)$ of 254.9 nats on average, with a standard deviation of 18.5. The
# completely black image has 82.6 nats.
#
# **b.** "Dividing the logits by $T$ in each step draws from $p(x)^{1/T} / Z$." Two binary tokens:
# $p(x_1 = 0) = 0.4$; after $x_1 = 0$, $p(x_2 = 0) = 0.9$; after $x_1 = 1$, $p(x_2 = 0) = 0.5$. At
# $T = 1/2$ the sequence $(0, 0)$ has a probability of 0.3039 in the one case and of 0.4165 in the
# other.
#
# **c.** "Autoregressive models get by with few parameters because they use conditional
# independence" (so a slide about NADE).
#
# In at most 250 words:
#
# * **a.** Does the detector find the black image, and is it an anomaly? Explain how both can be,
#   and say what one could test instead.
# * **b.** Which of the two numbers belongs to which case? Why do they differ, and why is the
#   step-by-step version the one in use?
# * **c.** What is wrong with the claim, and what does save parameters in NADE? How many has NADE
#   with $D$ variables and $H$ units, and a full table?

# %% [markdown] written="densities" points=3
# *Your answer to a, b and c, in at most 250 words:*
#
# === BEGIN MARK SCHEME ===
#
# One point each; half points where the reason is missing.
#
# * **a (1).** It does not: black has a higher probability than every training image, so its
#   p-value is 1. It is an anomaly all the same: an image without a single white pixel has a
#   probability of exp(-82.6), whereas typical images have about 78 white pixels. Each typical
#   image is less probable, but there are very many of them (typical set; probability of an image
#   against probability of its kind). Instead: a two-sided test, alarm also where log p is too
#   *high* (82.6 is 9 standard deviations below 254.9); or another statistic, such as the number of
#   white pixels, or a likelihood ratio against a background model. "The model is bad" gets
#   nothing: here it is exactly right.
# * **b (1).** Step by step 0.3039, globally 0.4165. Global: p(x)^2 / Z with
#   0.36^2 / (0.36^2 + 0.04^2 + 0.3^2 + 0.3^2). Local: 0.4^2 / (0.4^2 + 0.6^2) times
#   0.9^2 / (0.9^2 + 0.1^2). Each step is normalised by itself, so a first token counts by its own
#   probability alone, whereas globally it gains by leading to a peaked continuation. Z sums over
#   all K^L sequences; each step sums over K tokens.
# * **c (1).** NADE assumes no conditional independence: x_i may depend on every earlier variable
#   (that is the chain rule, which is always true). It ties parameters: all conditionals share one
#   W, and their functional form is limited. Parameters: 2HD + D + H against 2^D - 1. (The same
#   sharing turns O(HD^2) into O(HD).) Conditional independence is what a Markov chain uses.
#
# === END MARK SCHEME ===
