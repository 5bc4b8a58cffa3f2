"""Binary images from grey ones: three protocols whose likelihoods must never be compared.

A grey value p in [0, 1] is read as the probability of a white pixel. *threshold* takes the
likelier value; *static* draws each pixel once and for all (Salakhutdinov & Murray, ICML 2008, drew
the data set most papers use); *dynamic* draws anew whenever an image is shown (Burda, Grosse &
Salakhutdinov, ICLR 2016), which works as augmentation and gives other test numbers.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

Protocol = Literal["threshold", "static", "dynamic"]


def binarise(x: Tensor, protocol: Protocol, *, generator: torch.Generator | None = None) -> Tensor:
    """Return 0 and 1 in the shape and dtype of `x`.

    Args:
        x: values in [0, 1], of any shape.
        protocol: "threshold", x > 1/2; "static" or "dynamic", Bernoulli draws with mean x. A
            static draw is made of the whole data set at once: never batch by batch, where an
            image's draw would depend on its place in the batch.
        generator: randomness of the draws. Without one, "static" uses a fixed seed, so that two
            calls agree, and "dynamic" torch's default generator.

    Raises:
        ValueError: an unknown protocol, or a value outside [0, 1].
    """
    check_protocol(protocol)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(f"x holds values from {x.min():g} to {x.max():g}, expected [0, 1]")
    if protocol == "threshold":
        return (x > 0.5).to(x.dtype)
    if protocol == "static" and generator is None:
        generator = torch.Generator(x.device).manual_seed(0)
    uniform = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return (uniform < x).to(x.dtype)  # strictly: black stays black, white stays white


def check_protocol(protocol: str | None) -> None:
    """Refuse a name that is no protocol with a ValueError; None means grey images."""
    if protocol is not None and protocol not in get_args(Protocol):
        raise ValueError(f"protocol is {protocol!r}, expected one of {get_args(Protocol)}")
