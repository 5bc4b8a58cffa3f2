# %% [markdown]
# # Homework 3: autoencoders, VAEs and the ELBO
#
# Fourteen short exercises to program and one to write about, 40 points in all, about six hours. No
# exercise needs another one, so begin where you like.
#
# * Write your code where it says `YOUR CODE HERE`. Keep the names and the arguments of the
#   functions; helper functions of your own are welcome in the same cell.
# * The docstring is the contract: shapes, order of the axes, units. Logarithms are natural (nats),
#   and every bound and density is asked **with all its constants**.
# * The encoder is $q_\phi(z \mid x)$, the decoder $p_\theta(x \mid z)$, the prior
#   $p(z) = \mathcal N(0, I)$. The second argument of $\mathcal N$ is a **variance**; `log_var` is
#   its natural logarithm. Shapes: B points, D pixels, K latent units, S samples.
# * Nothing here draws random numbers: the noise $\varepsilon$ is an argument, so that answers can
#   be compared.
# * Arrays arrive as torch tensors (numbers in double precision, states as integers). You may
#   return torch, numpy or plain Python numbers, in single or double precision; where a gradient
#   is tested, torch.
# * The test cells under each exercise say in words what is wrong. More tests with other inputs are
#   run when the homework is graded, so an answer that fits the visible numbers only is worth
#   nothing.
# * The course library can solve some of these in one call. That is not an answer; as a second
#   opinion on an example of your own it is welcome.

# %%
import math

import numpy as np  # noqa: F401 (an answer may want it)
import torch
import torch.nn.functional as F

from gencourse.exercises import check  # noqa: F401 (the test cells use it)

# %% [markdown]
# ## 1. What a linear autoencoder learns (3 points, about 25 minutes)
#
# A linear autoencoder codes a point as $z = Ax + a \in \mathbb R^K$ and decodes it as
# $\hat x = Bz + c$. Trained until nothing improves any more, it minimises
#
# $$\frac1N \sum_{n=1}^N \lVert x_n - \hat x_n \rVert^2 .$$
#
# $A$ and $B$ are not determined by that: any invertible map may be put between encoder and
# decoder. The *reconstruction* is: $\hat x = \bar x + P\,(x - \bar x)$ with the mean $\bar x$ of
# the training points and the projection $P$ on the $K$ directions in which they vary most, the
# leading eigenvectors of their covariance (Bourlard and Kamp, 1988). So the optimum can be written
# down without training. Return what this autoencoder makes of points, old ones and new ones.

# %% exercise="linear-autoencoder"
def reconstruct(train, x, num_units):
    """Return what the best linear autoencoder of some training points makes of other points.

    Args:
        train: tensor (N, D), the training points, N > D.
        x: tensor (B, D), points to code and decode.
        num_units: int K < D, the units of the code.

    Returns:
        (B, D): the reconstructions of x by the autoencoder with K units that minimises the mean
        squared error on `train`.
    """
    ### BEGIN SOLUTION
    mean = train.mean(0)
    axes = torch.linalg.svd(train - mean, full_matrices=False).Vh[:num_units]  # (K, D)
    code = (x - mean) @ axes.T
    return mean + code @ axes
    ### END SOLUTION


# %% [markdown]
# ## 2. Few labels, and a code from many points (2 points, about 30 minutes)
#
# Labels are dear, points are not. So learn a code from many unlabelled points and train a
# classifier with few labels on the code alone. Here the code is that of the linear autoencoder,
# $z = U(x - m)$: $m$ is the mean of the **unlabelled** points, and the $K$ rows of $U$ are their
# leading principal directions, orthonormal. The classifier is a logistic regression
# $p(y = 1 \mid x) = \sigma(v^\top z + b)$ that minimises
#
# $$J(v, b) = -\frac1B \sum_{n=1}^{B} \log p(y_n \mid x_n) + \frac{\lambda}{2} \sum_k v_k^2$$
#
# over the labelled points, the bias not penalised. Any method of training will do; come close to
# the minimum, which is the only one: $J$ and its first term, the negative log-likelihood `nll`,
# are tested to 0.002 nats. Return the whole way from the pixels to the logit as *one* linear
# layer, $\text{weight}^\top x + \text{bias} = v^\top z + b$.

# %% exercise="few-labels"
def train_on_code(unlabelled, x, y, num_units, l2):
    """Train a logistic regression on a code that was learned without labels.

    Args:
        unlabelled: tensor (N, D), the points for the autoencoder, and for nothing else.
        x: tensor (B, D), the points whose labels are known.
        y: tensor (B,) of 0. and 1.
        num_units: int K, the units of the code.
        l2: float, the factor lambda > 0 of the penalty.

    Returns:
        {"weight": (D,), "bias": one number}, or a torch.nn.Linear(D, 1) with these as its
        parameters: they act on x itself.
    """
    ### BEGIN SOLUTION
    mean = unlabelled.mean(0)
    axes = torch.linalg.svd(unlabelled - mean, full_matrices=False).Vh[:num_units]  # (K, D)
    z = torch.cat([(x - mean) @ axes.T, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    penalty = torch.full((num_units + 1,), l2, dtype=x.dtype)
    penalty[-1] = 0.0  # the bias
    theta = torch.zeros_like(penalty)
    for _ in range(20):  # Newton's method
        p = torch.sigmoid(z @ theta)
        gradient = z.T @ (p - y) / len(y) + penalty * theta
        hessian = z.T @ (z * (p * (1 - p))[:, None]) / len(y) + penalty.diag()
        theta = theta - torch.linalg.solve(hessian, gradient)
    weight = theta[:-1] @ axes
    return {"weight": weight, "bias": theta[-1] - weight @ mean}
    ### END SOLUTION


# %% [markdown]
# ## 3. KL in both directions (2 points, about 15 minutes)
#
# $$\mathrm{KL}(q \,\|\, p) = \sum_x q(x) \log \frac{q(x)}{p(x)} .$$
#
# Single terms may be negative, the sum may not, and the two directions differ. A term with
# $q(x) = 0$ is 0, whatever $p(x)$ is; one with $q(x) > 0 = p(x)$ is infinite. For
# $q = (0.9, 0.1)$ and $p = (0.1, 0.9)$ the terms are 1.9775 and -0.2197: a state that $q$ likes
# and $p$ does not costs a lot, the reverse gains a little.

# %% exercise="kl-discrete"
def kl_both_ways(q, p):
    """Return the KL divergence of two discrete distributions in both directions, in nats.

    Args:
        q: tensor (C,), probabilities that sum to 1; some may be 0.
        p: tensor (C,), likewise.

    Returns:
        {"terms": (C,), the summands of KL(q||p), "q_to_p": KL(q||p), "p_to_q": KL(p||q)};
        infinity where it is due, never NaN.
    """
    ### BEGIN SOLUTION
    def terms_of(a, b):
        ratio = torch.where(a > 0, a / b, 1.0)  # infinite where only b is 0
        return a * ratio.log()

    terms = terms_of(q, p)
    return {"terms": terms, "q_to_p": terms.sum(), "p_to_q": terms_of(p, q).sum()}
    ### END SOLUTION


# %% [markdown]
# ## 4. KL between Gaussians, with all constants (3 points, about 20 minutes)
#
# For Gaussians whose coordinates are independent,
#
# $$\mathrm{KL}\bigl(\mathcal N(\mu_q, \sigma_q^2) \,\|\, \mathcal N(\mu_p, \sigma_p^2)\bigr)
#   = \sum_{k=1}^K \frac12 \left( \frac{\sigma_{q,k}^2 + (\mu_{q,k} - \mu_{p,k})^2}{\sigma_{p,k}^2}
#   - 1 + \log \sigma_{p,k}^2 - \log \sigma_{q,k}^2 \right) .$$
#
# Derive it once from $\mathbb E_q[\log q(z) - \log p(z)]$. The case $p = \mathcal N(0, I)$ stands
# in every VAE, and each of its constants has been forgotten by somebody:
# $\mathrm{KL}(\mathcal N(1, 2^2) \,\|\, \mathcal N(0, 1)) = 1.3069$.

# %% exercise="kl-gaussian"
def kl_gaussian(mean_q, log_var_q, mean_p, log_var_p):
    """Return KL(q||p) in nats for Gaussians with independent coordinates.

    Args:
        mean_q: tensor (B, K).
        log_var_q: tensor (B, K), natural logarithms of the variances.
        mean_p: tensor (B, K).
        log_var_p: tensor (B, K).

    Returns:
        (B,): one number for each row, summed over the K coordinates.
    """
    ### BEGIN SOLUTION
    scaled = (log_var_q.exp() + (mean_q - mean_p) ** 2) * torch.exp(-log_var_p)
    return 0.5 * (scaled - 1 + log_var_p - log_var_q).sum(dim=1)
    ### END SOLUTION


# %% [markdown]
# ## 5. The best factorised Gaussian, in either direction (2 points, about 25 minutes)
#
# $p = \mathcal N(\mu, \Sigma)$ has correlated coordinates; $q = \prod_i \mathcal N(m_i, v_i)$ may
# not have any. Which $q$ is best depends on what is minimised,
#
# * $\mathrm{KL}(q \,\|\, p)$, as in variational inference, or
# * $\mathrm{KL}(p \,\|\, q)$, as in maximum likelihood.
#
# With the formula for full covariances,
#
# $$\mathrm{KL}\bigl(\mathcal N(\mu_1, \Sigma_1) \,\|\, \mathcal N(\mu_2, \Sigma_2)\bigr)
#   = \frac12 \left( \mathrm{tr}(\Sigma_2^{-1} \Sigma_1)
#   + (\mu_2 - \mu_1)^\top \Sigma_2^{-1} (\mu_2 - \mu_1) - D
#   + \log \frac{\det \Sigma_2}{\det \Sigma_1} \right),$$
#
# set the derivative by each $v_i$ to zero, or minimise numerically. For unit variances and a
# correlation of 0.9 one of the two answers is 0.19, the other 1: predict which before you run the
# test.

# %% exercise="best-factorised"
def best_factorised(mean, cov, direction):
    """Return the factorised Gaussian that is nearest to N(mean, cov), and how near it is.

    Args:
        mean: tensor (D,).
        cov: tensor (D, D), positive definite.
        direction: "q||p" to minimise KL(q||p), "p||q" to minimise KL(p||q).

    Returns:
        {"mean": (D,), "var": (D,), "kl": one number}: means and variances of the best q, and the
        minimised divergence in nats.
    """
    ### BEGIN SOLUTION
    logdet = torch.logdet(cov)
    if direction == "q||p":
        var = 1 / torch.linalg.inv(cov).diag()
        return {"mean": mean, "var": var, "kl": 0.5 * (logdet - var.log().sum())}
    var = cov.diag()
    return {"mean": mean, "var": var, "kl": 0.5 * (var.log().sum() - logdet)}
    ### END SOLUTION


# %% [markdown]
# ## 6. The ELBO of a VAE with binary pixels (5 points, about 45 minutes)
#
# $$\log p_\theta(x) \ \ge\ \mathbb E_{q_\phi(z \mid x)} \log p_\theta(x \mid z)
#   - \beta\, \mathrm{KL}\bigl(q_\phi(z \mid x) \,\|\, p(z)\bigr), \qquad \beta = 1,$$
#
# is the ELBO; with another $\beta$ the right side is the objective of a $\beta$-VAE. Estimate the
# expectation with $S$ samples and take the KL in closed form:
#
# $$\frac1S \sum_{s=1}^{S} \sum_{d=1}^{D} \log p_\theta(x_d \mid z_s)
#   - \beta \sum_{k=1}^{K} \frac12 \bigl(\sigma_k^2 + \mu_k^2 - 1 - \log \sigma_k^2\bigr),
#   \qquad z_s = \mu + \sigma \odot \varepsilon_s .$$
#
# The encoder has already given $\mu$ and $\log \sigma^2$. The decoder is linear: its *logits* are
# $Wz + b$, and $p_\theta(x_d = 1 \mid z) = \sigma(\text{logit}_d)$ with the logistic function
# $\sigma$. The tests look at the value and at the gradient by $\mu$, $\log \sigma^2$ and $W$,
# which has to flow through the samples. A decoder that is sure of itself has logits in the
# hundreds; its log-likelihood is finite.

# %% exercise="bernoulli-elbo"
def elbo(x, mean, log_var, eps, W, b, beta):
    """Return a Monte Carlo estimate of the ELBO of each point, or of a beta-VAE's objective.

    Args:
        x: tensor (B, D) of 0. and 1.
        mean: tensor (B, K), the means of q(z|x).
        log_var: tensor (B, K), natural logarithms of the variances of q(z|x).
        eps: tensor (S, B, K), standard normal noise; eps[s, n] makes sample s of point n.
        W: tensor (D, K), the weights of the decoder.
        b: tensor (D,), its biases.
        beta: float, the factor of the KL; 1.0 for the ELBO.

    Returns:
        (B,) in nats, differentiable by mean, log_var and W.
    """
    ### BEGIN SOLUTION
    z = mean + torch.exp(0.5 * log_var) * eps  # (S, B, K)
    logits = F.linear(z, W, b)  # (S, B, D)
    log_p = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
    kl = 0.5 * (log_var.exp() + mean.square() - 1 - log_var).sum(dim=1)
    return log_p.sum(dim=2).mean(dim=0) - beta * kl
    ### END SOLUTION


# %% [markdown]
# ## 7. A Gaussian decoder that learns its variance (2 points, about 15 minutes)
#
# For real-valued pixels a decoder gives means $\mu_d(z)$ and variances $\sigma_d^2$,
#
# $$\log p(x \mid z) = \sum_{d=1}^{D} \left( -\frac{(x_d - \mu_d)^2}{2 \sigma_d^2}
#   - \frac12 \log \sigma_d^2 - \frac12 \log 2\pi \right) .$$
#
# A squared error is this with the variance held fixed, and the constant lost. Often all pixels
# share one learned variance; the formula stays the same with $\sigma_d = \sigma$. (Its best value
# is then the mean squared error. How the reconstruction weighs against the KL need not be tuned
# by hand.)

# %% exercise="gaussian-decoder"
def gaussian_log_likelihood(x, mean, log_var):
    """Return log p(x|z) of a Gaussian decoder.

    Args:
        x: tensor (B, D).
        mean: tensor (B, D), what the decoder makes of the code of each point.
        log_var: tensor (D,), the logarithm of the variance of each pixel, or (1,), that of the
            one variance which all D pixels share.

    Returns:
        (B,) in nats, differentiable by mean and log_var.
    """
    ### BEGIN SOLUTION
    per_pixel = (x - mean) ** 2 * torch.exp(-log_var) + log_var + math.log(2 * math.pi)  # (B, D)
    return -0.5 * per_pixel.sum(dim=1)
    ### END SOLUTION


# %% [markdown]
# ## 8. Two estimators of one gradient (3 points, about 30 minutes)
#
# We want the gradient of $\mathbb E_{z \sim \mathcal N(\mu, \sigma^2)} f(z)$ by $\mu$ and
# $\sigma$. With $z = \mu + \sigma \varepsilon$, a sample $\varepsilon$ of $\mathcal N(0, 1)$
# gives two unbiased estimates,
#
# $$\text{pathwise:}\quad \nabla_{\mu, \sigma}\, f(\mu + \sigma \varepsilon), \qquad\qquad
#   \text{score function:}\quad \bigl(f(z) - c\bigr)\, \nabla_{\mu, \sigma}
#   \log \mathcal N(z;\, \mu, \sigma^2) .$$
#
# In the second $z$ is held fixed while $\mu$ and $\sigma$ move, and the *baseline* $c$ is any
# number that does not depend on $z$. Let $f(z) = \sum_j a_j z^j$ and write the estimates down:
# the derivatives of $\log \mathcal N$ are yours to find. For $f(z) = z^2$, $\mu = 1.5$ and
# $\sigma = 0.5$ the gradient is $(2\mu, 2\sigma) = (3, 1)$; the visible test uses
# $\varepsilon = \pm 1$, whose pathwise estimates average to just that.

# %% exercise="two-gradients"
def gradient_estimates(mean, sd, eps, coefficients, baseline, estimator):
    """Return an estimate of the gradient of E f(z) for each sample.

    Args:
        mean: float.
        sd: float > 0, the standard deviation.
        eps: tensor (S,), the noise; sample s is z = mean + sd * eps[s].
        coefficients: tensor (J,); f(z) is the sum of coefficients[j] * z**j.
        baseline: float, the c of the score function estimator; the pathwise one ignores it.
        estimator: "pathwise" or "score".

    Returns:
        (S, 2): the estimates of sample s in row s, by the mean in column 0, by the standard
        deviation in column 1.
    """
    ### BEGIN SOLUTION
    z = mean + sd * eps
    powers = torch.arange(len(coefficients), dtype=z.dtype)
    if estimator == "pathwise":
        slope = (z[:, None] ** (powers - 1).clamp(min=0)) @ (powers * coefficients)
        return torch.stack([slope, slope * eps], dim=1)
    value = (z[:, None] ** powers) @ coefficients
    score = torch.stack([eps / sd, (eps**2 - 1) / sd], dim=1)
    return (value - baseline)[:, None] * score
    ### END SOLUTION


# %% [markdown]
# ## 9. The importance-weighted bound (3 points, about 25 minutes)
#
# With $k$ samples $z_1, \dots, z_k$ of $q(z \mid x)$ (Burda et al., 2016),
#
# $$\mathrm{ELBO} \ \le\ \mathrm{IWAE}_k
#   = \mathbb E\left[ \log \frac1k \sum_{i=1}^{k} w_i \right] \ \le\ \log p(x), \qquad
#   w_i = \frac{p(x \mid z_i)\, p(z_i)}{q(z_i \mid x)},$$
#
# and the bound rises with $k$. Estimate it from $S$ samples for each point: cut them into $S/k$
# groups of $k$ samples that follow each other and average over the groups. The densities of $z$
# are $p(z) = \mathcal N(0, I)$ and $q(z \mid x) = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$.
#
# In the visible test's model $z \sim \mathcal N(0, 1)$, $x \mid z \sim \mathcal N(z, 1)$, with
# $x = 1$ and $q$ the prior, the ELBO is -1.9189, $\mathrm{IWAE}_5$ about -1.557 and $\log p(x)$
# -1.5155. The weights of a real image are smaller than $10^{-300}$; their logarithms are not.

# %% exercise="iwae"
def importance_weighted_bound(log_lik, z, mean, log_var, k):
    """Estimate the importance-weighted bound with k samples.

    Args:
        log_lik: tensor (S, B); log_lik[s, n] is log p(x_n | z[s, n]) in nats.
        z: tensor (S, B, K), samples of q(z|x).
        mean: tensor (B, K), the means of q(z|x).
        log_var: tensor (B, K), natural logarithms of its variances.
        k: int that divides S; samples 0 to k - 1 are the first group, k to 2k - 1 the second.

    Returns:
        (B,) in nats: the average over the groups of log((1/k) sum of the group's weights).
    """
    ### BEGIN SOLUTION
    log_ratio = 0.5 * ((z - mean) ** 2 / log_var.exp() + log_var - z**2).sum(dim=2)  # log p/q
    log_w = log_lik + log_ratio  # (S, B)
    groups = log_w.reshape(-1, k, log_w.shape[1])  # (S/k, k, B)
    return (torch.logsumexp(groups, dim=1) - math.log(k)).mean(dim=0)
    ### END SOLUTION


# %% [markdown]
# ## 10. What the bound loses, and whose fault it is (3 points, about 40 minutes)
#
# $$\log p(x) = \mathrm{ELBO}(x) + \mathrm{KL}\bigl(q(z \mid x) \,\|\, p(z \mid x)\bigr)$$
#
# can be checked to the last digit where everything is Gaussian. Let $z \sim \mathcal N(0, I)$ and
# $x \mid z \sim \mathcal N(Wz + b,\ s^2 I)$ with $D$ pixels and $K$ units. Then
#
# * $x \sim \mathcal N(b,\ W W^\top + s^2 I)$, which gives $\log p(x)$;
# * $z \mid x \sim \mathcal N(m, \Lambda^{-1})$ with $\Lambda = I + W^\top W / s^2$ and
#   $m = \Lambda^{-1} W^\top (x - b) / s^2$;
# * for $q = \mathcal N(\mu, \mathrm{diag}(\sigma^2))$,
#   $\mathbb E_q \lVert x - Wz - b \rVert^2
#   = \lVert x - W\mu - b \rVert^2 + \sum_k \sigma_k^2 \sum_d W_{dk}^2$, which gives the ELBO
#   without sampling.
#
# What the ELBO lacks has two parts (Cremer et al., 2018). The **approximation gap** is left even
# with the best $q$ that has independent units; the **amortisation gap** is what the encoder's $q$
# loses against that best one. They add up to the KL above.

# %% exercise="encoder-gaps"
def evidence_and_gaps(x, mean, log_var, W, b, noise_var, part):
    """Return log p(x), the exact ELBO, or the two gaps between them, for a linear Gaussian model.

    Args:
        x: tensor (B, D).
        mean: tensor (B, K), the means of the encoder's q(z|x).
        log_var: tensor (B, K), natural logarithms of its variances.
        W: tensor (D, K).
        b: tensor (D,).
        noise_var: float, the variance s^2 of each pixel given z.
        part: "log-evidence", "elbo" or "gaps".

    Returns:
        "log-evidence": (B,), log p(x) in nats.
        "elbo": (B,), the ELBO in nats, exact.
        "gaps": {"approximation": (B,), "amortisation": (B,)} in nats.
    """
    ### BEGIN SOLUTION
    cov = W @ W.T + noise_var * torch.eye(len(W), dtype=W.dtype)
    shift = x - b
    fit = (shift * torch.linalg.solve(cov, shift.T).T).sum(dim=1)
    evidence = -0.5 * (fit + torch.logdet(cov) + len(W) * math.log(2 * math.pi))
    if part == "log-evidence":
        return evidence
    error = (shift - mean @ W.T).square().sum(dim=1) + log_var.exp() @ W.square().sum(dim=0)
    log_lik = -0.5 * (error / noise_var + len(W) * math.log(2 * math.pi * noise_var))
    bound = log_lik - 0.5 * (log_var.exp() + mean**2 - 1 - log_var).sum(dim=1)
    if part == "elbo":
        return bound
    precision = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / noise_var
    approximation = 0.5 * (precision.diag().log().sum() - torch.logdet(precision))
    return {
        "approximation": approximation.expand(len(x)),  # the same for every x
        "amortisation": evidence - bound - approximation,
    }
    ### END SOLUTION


# %% [markdown]
# ## 11. Filling in missing pixels, exactly (2 points, about 30 minutes)
#
# In the same model ($z \sim \mathcal N(0, I)$, $x \mid z \sim \mathcal N(Wz + b,\ s^2 I)$) some
# pixels of an image are missing. Call the observed ones $x_o$. Missing pixels are no pixels of
# value 0: they are summed out,
#
# $$p(x_o) = \mathcal N\bigl(b_o,\ W_o W_o^\top + s^2 I\bigr),$$
#
# with the rows $W_o$ of $W$ that belong to observed pixels. The best guess for the others is
# $\mathbb E[x_m \mid x_o]$: infer the code from the pixels that are there and decode it, or
# condition the Gaussian of all pixels; both give the same.

# %% exercise="fill-in"
class PixelFiller:
    """Probabilistic PCA that can do with part of an image.

    Args:
        W: tensor (D, K).
        b: tensor (D,).
        noise_var: float, the variance s^2 of each pixel given z.
    """

    def __init__(self, W, b, noise_var):
        self.W = W
        self.b = b
        self.noise_var = noise_var

    def fill_in(self, x, observed):
        """Return the images with their missing pixels filled in.

        Args:
            x: tensor (B, D). Where observed is False, the entry means nothing.
            observed: bools (B, D), True where the pixel is there; each row has its own pattern
                and at least one such pixel.

        Returns:
            (B, D): x where it is observed, E[x | observed pixels] elsewhere.
        """
        ### BEGIN SOLUTION
        rows = []
        for row, seen in zip(x, observed, strict=True):
            W = self.W[seen]
            precision = torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / self.noise_var
            code = torch.linalg.solve(precision, W.T @ (row - self.b)[seen] / self.noise_var)
            rows.append(torch.where(seen, row, self.W @ code + self.b))
        return torch.stack(rows)
        ### END SOLUTION

    def log_prob(self, x, observed):
        """Return the log density of what is observed.

        Args:
            x: tensor (B, D). Where observed is False, the entry means nothing.
            observed: bools (B, D), as in `fill_in`.

        Returns:
            (B,): log p(observed pixels) in nats.
        """
        ### BEGIN SOLUTION
        cov = self.W @ self.W.T + self.noise_var * torch.eye(len(self.W), dtype=self.W.dtype)
        logs = []
        for row, seen in zip(x, observed, strict=True):
            part, shift = cov[seen][:, seen], (row - self.b)[seen]
            fit = shift @ torch.linalg.solve(part, shift)
            logs.append(-0.5 * (fit + torch.logdet(2 * math.pi * part)))
        return torch.stack(logs)
        ### END SOLUTION


# %% [markdown]
# ## 12. A categorical sample that gradients can pass (2 points, about 15 minutes)
#
# A uniform number $u \in (0, 1)$ becomes a Gumbel variable $g = -\log(-\log u)$. Adding
# independent ones to logits and taking the largest gives a sample of the categorical distribution,
# $\arg\max_k (\text{logit}_k + g_k) \sim \mathrm{softmax}(\text{logits})$. The arg max has no
# gradient; the relaxed sample (Jang et al.; Maddison et al., 2017) has one,
#
# $$y_k = \frac{\exp\bigl((\text{logit}_k + g_k) / \tau\bigr)}
#   {\sum_j \exp\bigl((\text{logit}_j + g_j) / \tau\bigr)},$$
#
# and becomes one-hot as the temperature $\tau$ goes to 0.

# %% exercise="gumbel-softmax"
def gumbel_softmax(logits, uniforms, temperature, hard):
    """Return relaxed or one-hot samples of categorical distributions, from given uniform numbers.

    Args:
        logits: tensor (B, C), log-probabilities up to a constant in each row.
        uniforms: tensor (B, C), strictly between 0 and 1, one for each entry.
        temperature: float > 0.
        hard: bool, whether to return one-hot samples.

    Returns:
        (B, C): the relaxed samples or, if hard, rows with a single 1 at the largest entry.
    """
    ### BEGIN SOLUTION
    noisy = logits - torch.log(-torch.log(uniforms))
    if hard:
        return F.one_hot(noisy.argmax(dim=1), noisy.shape[1])
    return torch.softmax(noisy / temperature, dim=1)
    ### END SOLUTION


# %% [markdown]
# ## 13. When the class is a latent variable (2 points, about 20 minutes)
#
# A class-conditional VAE gives a bound $\mathcal L(x, y) \le \log p(x \mid y)$ for each class $y$.
# Two things can be done with these bounds for an image whose class is not known
# (Kingma et al., 2014):
#
# * **classify** it by Bayes' rule, the bounds in the place of the likelihoods:
#   $p(y \mid x)$ is about $p(y)\, e^{\mathcal L(x, y)}$ divided by the sum of the same over all
#   classes;
# * **bound** $\log p(x)$. The class is one more latent variable, a categorical one, so its part
#   of the ELBO needs no sampling. With a classifier $q(y \mid x)$,
#
# $$\log p(x) \ \ge\ \sum_y q(y \mid x) \bigl( \mathcal L(x, y) + \log p(y)
#   - \log q(y \mid x) \bigr),$$
#
# where a class with $q(y \mid x) = 0$ adds nothing.

# %% exercise="class-conditional"
def with_classes(elbos, class_prior, q_class, part):
    """Classify images by the bounds of a class-conditional VAE, or bound log p(x).

    Args:
        elbos: tensor (B, C); elbos[n, y] is a lower bound of log p(x_n | y) in nats, possibly
            many hundreds below 0.
        class_prior: tensor (C,), p(y) > 0.
        q_class: tensor (B, C), q(y | x); rows sum to 1, entries may be 0.
        part: "classify" or "bound".

    Returns:
        "classify": (B, C), p(y | x) by Bayes' rule with the bounds; q_class is not used.
        "bound": (B,), the lower bound of log p(x) in nats.
    """
    ### BEGIN SOLUTION
    log_joint = elbos + class_prior.log()  # (B, C)
    if part == "classify":
        return torch.softmax(log_joint, dim=1)
    return (q_class * log_joint - torch.special.xlogy(q_class, q_class)).sum(dim=1)
    ### END SOLUTION


# %% [markdown]
# ## 14. Units that say nothing (2 points, about 15 minutes)
#
# A latent unit has *collapsed* when $q(z_k \mid x)$ is the prior for every $x$: it costs nothing
# and says nothing. Burda et al. (2016) measure how much a unit says by its **activity**, the
# variance over the data of the mean of $q$,
#
# $$A_k = \frac{1}{N - 1} \sum_{n=1}^N \bigl( \mu_k(x_n) - \bar\mu_k \bigr)^2, \qquad
#   \bar\mu_k = \frac1N \sum_{n=1}^N \mu_k(x_n),$$
#
# and call it active if $A_k > 0.01$. One mend is **free bits** (Kingma et al., 2016): below a
# floor of $\lambda$ nats a unit's KL costs the same whatever it is, so that nothing is gained by
# using it less. In the loss the KL is replaced by
#
# $$\sum_{k=1}^K \max\Bigl( \lambda,\ \frac1N \sum_{n=1}^N
#   \mathrm{KL}\bigl(q(z_k \mid x_n) \,\|\, \mathcal N(0, 1)\bigr) \Bigr) .$$

# %% exercise="collapse"
def collapse_report(mean, log_var, free_bits, part):
    """Return the activity of each latent unit, or the KL term of a loss with free bits.

    Args:
        mean: tensor (N, K), the means of q(z|x) for N data points.
        log_var: tensor (N, K), natural logarithms of its variances.
        free_bits: float, the floor lambda in nats.
        part: "activity" or "free-bits".

    Returns:
        "activity": (K,), the activities A_k.
        "free-bits": one number in nats, the sum over the units.
    """
    ### BEGIN SOLUTION
    if part == "activity":
        return (mean - mean.mean(dim=0)).square().sum(dim=0) / (len(mean) - 1)
    kl = 0.5 * (log_var.exp() + mean**2 - 1 - log_var).mean(dim=0)  # (K,)
    return kl.clamp(min=free_bits).sum()
    ### END SOLUTION


# %% [markdown]
# ## 15. Axes, collapse and other beliefs (4 points, about 30 minutes, graded by hand)
#
# Six pixels have a covariance with the eigenvalues 4, 1, 0.4, 0.1, 0.1, 0.1. A linear VAE with
# three units, a decoder $\mathcal N(Wz + b, s^2 I)$ whose $s^2 = 0.1$ is held fixed and a diagonal
# Gaussian encoder was trained to the optimum of
# $\mathbb E_q \log p(x \mid z) - \beta\, \mathrm{KL}$. All numbers are averages over the data; the
# squared error is summed over the pixels and averaged over $q$.
#
# | $\beta$ | KL of the three units | squared error | ELBO (with $\beta = 1$) | $\log p(x)$ |
# |---|---|---|---|---|
# | 1 | 1.84, 1.15, 0.69 | 0.60 | -5.29 | -5.29 |
# | 6 | 0.95, 0.26, 0.00 | 1.90 | -9.31 | -6.26 |
# | 20 | 0.35, 0.00, 0.00 | 3.70 | -17.45 | -9.58 |
# | 60 | 0.00, 0.00, 0.00 | 5.70 | -27.11 | -27.11 |
#
# Then the first two units of the decoder for $\beta = 1$ were turned by 45 degrees: $WR$ in the
# place of $W$, with a rotation $R$, and for each decoder the best diagonal encoder.
#
# | decoder | $\log p(x)$ | ELBO |
# |---|---|---|
# | $W$ | -5.29 | -5.29 |
# | $WR$ | -5.29 | -5.52 |
#
# In at most 300 words:
#
# * **a.** Which units have collapsed for $\beta = 20$, and what do they gain by it? Your own VAE
#   shows the same with $\beta = 1$: name two things that you could change, and why each helps.
# * **b.** A colleague's loss is the squared error divided by $2s^2$, *averaged* over the six
#   pixels, plus the KL summed over the units. Which row of the table has she trained, and why?
# * **c.** A slide says that a diagonal prior makes the axes of the latent space interpretable.
#   What does the second table say about the prior, what makes the ELBO prefer $W$ nevertheless,
#   and what would be left of that if the first two eigenvalues were equal?
# * **d.** A plain linear autoencoder with three units has a squared error of 0.30, half of the
#   best VAE's. Why is it no generative model all the same? Another slide says that decoding
#   random codes of an autoencoder gives copies of training images: how would you test that?

# %% [markdown] written="axes-and-collapse" points=4
# *Your answer to a, b, c and d, in at most 300 words:*
#
# === BEGIN MARK SCHEME ===
#
# One point each; half points where the reason is missing.
#
# * **a (1).** The second and the third: their KL is 0, q is the prior for every x. Using a unit
#   would save reconstruction error worth less than beta times its KL (a direction pays only where
#   its eigenvalue is above beta s^2 = 2). Two of: KL warm-up (the decoder learns to use the code
#   before it has to pay), free bits (below the floor the KL costs nothing), a smaller or learned
#   noise variance (errors weigh more against the KL), a weaker decoder (which cannot do without
#   the code), a better encoder or more of its steps. "More units" gets no point.
# * **b (1).** beta = 6. Dividing the reconstruction by D = 6 and not the KL is, up to a factor 6
#   of the whole loss, the sum over the pixels with the KL six times as heavy. Half a point for
#   "a larger beta" without the number.
# * **c (1).** N(0, I) looks the same after any rotation, so W and WR are the same distribution of
#   x: the prior (and the likelihood) identify no axis. The ELBO prefers W because the *encoder*
#   is diagonal and the posterior under WR is not: 0.22 nats of approximation gap. With equal
#   eigenvalues the posterior is diagonal for every rotation, and nothing prefers an axis. (That
#   the preferred axes would mean anything to a person does not follow either.)
# * **d (1).** It has no density of codes: which z to decode is not said, and codes of the data
#   fill no known region. Its error is lower because its code is noiseless and pays no KL; it says
#   nothing about p(x). Test: decode random codes, measure the distance of each result to its
#   nearest training image, and compare with the same distance for held-out images (or for
#   reconstructions of held-out images); copies would have distances near 0. Half a point for
#   only one of the two.
#
# === END MARK SCHEME ===
