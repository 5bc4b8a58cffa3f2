"""Small language models trained on languages whose entropy and whose sentences are known."""

import pytest
import torch

from gencourse.autoregressive import CausalTransformer, RNNLanguageModel
from gencourse.data import sentences, translations
from gencourse.evaluate import negative_log_likelihood
from gencourse.losses import nll_loss
from gencourse.train import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def trained(make, data, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make(len(data.vocabulary), data.x.shape[1])
    fit(model, data, loss=nll_loss, batch_size=64, progress=False, **options)
    return model


@torch.no_grad()
def expected_nll(model, language):
    """-Σ p log q over every sentence: the expected NLL itself, not an estimate of it."""
    log_q = torch.cat([model.log_prob(rows) for rows in language.tokens.split(400)])
    return float(-(language.probabilities * log_q.double()).sum())


TRANSLATORS = {
    "RNN": (lambda k, t: RNNLanguageModel(k, t, num_hidden=32), {"steps": 500, "lr": 0.01}),
    "transformer": (lambda k, t: CausalTransformer(k, t, width=32), {"steps": 300, "lr": 0.005}),
}


DATA = translations(4000)


@pytest.fixture(scope="module", params=TRANSLATORS)
def translator(request):
    make, options = TRANSLATORS[request.param]
    return trained(make, DATA, **options)


def test_the_entropy_of_the_toy_grammar_is_nearly_reached(translator):
    """Nothing beats the entropy, 6.71 nats; an untrained model is near T log K = 45 nats."""
    entropy = DATA.language.entropy
    assert entropy <= expected_nll(translator, DATA.language) < entropy + 0.6


def test_a_continued_source_is_a_translation(translator):
    language = DATA.language
    drawn = language.sample(300, generator=seeded(1))
    given = torch.arange(drawn.shape[1]) < DATA.prefix_length
    options = {"condition": (drawn, given), "temperature": 0.2}
    found = translator.sample(300, **options, generator=seeded(2))
    assert language.log_prob(found).isfinite().double().mean() > 0.8
    mixed = torch.cat([drawn.roll(1, 0)[:, given], found[:, ~given]], 1)
    assert language.log_prob(mixed).isfinite().double().mean() < 0.1, "of its own source only"


def test_often_is_translated_in_both_ways(translator):
    """As `language.given(source)` says: 0.7 and 0.3."""
    (row,) = DATA.vocabulary.encode(["two red cats sleep often ="], length=DATA.x.shape[1])
    first = DATA.prefix_length
    options = {"condition": (row, torch.arange(len(row)) < first), "generator": seeded()}
    words = translator.sample(1000, **options)[:, first]
    for word, share in (("semba", 0.7), ("ofta", 0.3)):
        drawn = (words == DATA.vocabulary.symbols.index(word)).double().mean()
        assert float(drawn) == pytest.approx(share, abs=0.2)
    likeliest = translator.sample(50, temperature=0.01, **options)[:, first]
    assert set(DATA.vocabulary.decode(likeliest[:, None])) == {"semba"}


def test_characters_and_their_entropy():
    data = sentences(3000)
    language = data.language
    large, small = (
        trained(lambda k, t, h=h: RNNLanguageModel(k, t, num_hidden=h), data, steps=250, lr=0.015)
        for h in (48, 6)
    )
    nll = {model: expected_nll(model, language) for model in (large, small)}
    assert language.entropy <= nll[large] < language.entropy + 0.8, nll[large]
    assert nll[large] + 1 < nll[small] < language.event_shape[0], "a size that is too small"
    rows = language.sample(2000, generator=seeded(3))
    found = negative_log_likelihood(large, rows)
    assert found.mean == pytest.approx(nll[large], abs=4 * found.standard_error)
    truth = negative_log_likelihood(language, rows)
    assert truth.mean == pytest.approx(language.entropy, abs=4 * truth.standard_error)
