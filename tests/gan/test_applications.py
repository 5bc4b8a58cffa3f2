"""The short applications: closed forms, exact error rates, and shares measured on new pictures."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch.utils.data import TensorDataset

from gencourse.data import COLOURS, SHAPES, digits, photographs, shapes
from gencourse.data.captions import caption_vocabulary, captions, look_like
from gencourse.gan import DCGAN
from gencourse.gan.applications import (
    attribution,
    consequences,
    fake_detection,
    leave_one_out,
    style_transfer,
    watermark,
)
from gencourse.gan.applications.caption_to_image import BagOfWords, CaptionGAN
from gencourse.nets import ConvEncoder
from gencourse.train import fit_adversarial


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def patches(n=8, size=192):
    """Squares cut out of the two photographs."""
    x, generator = photographs().x, seeded()
    rows = torch.randint(0, 427 - size, (n,), generator=generator).tolist()
    columns = torch.randint(0, 640 - size, (n,), generator=generator).tolist()
    corners = zip(rows, columns, strict=True)
    return torch.stack(
        [x[i % 2, :, r : r + size, c : c + size] for i, (r, c) in enumerate(corners)]
    )


def nearest(x):
    return F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)


def bilinear(x):
    return F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")


def transposed(x):
    """Up by a transposed convolution whose kernel of 3 covers pixels unevenly: a chequerboard."""
    tap = torch.tensor([0.6, 1.0, 0.5])
    kernel = (tap[:, None] * tap)[None, None].repeat(x.shape[1], 1, 1, 1)
    low = F.avg_pool2d(x, 2)
    up = F.conv_transpose2d(low, kernel, None, 2, 1, output_padding=1, groups=x.shape[1])
    return up.clamp(0, 1)


class TestCaptions:
    def test_words_of_a_picture(self):
        attributes = {
            "shape": torch.tensor([0, 2]),
            "colour": torch.tensor([0, 4]),
            "scale": torch.tensor([0.21, 0.34]),
        }
        found = captions(attributes)
        assert found == ["a small red circle", "a large pink triangle"]
        vocabulary = caption_vocabulary()
        assert vocabulary.decode(vocabulary.encode(found)) == found
        assert len(vocabulary) == 1 + 2 + len(COLOURS) + len(SHAPES) + 1

    def test_the_scale_is_seen(self):
        data = shapes(500, size=16)
        assert (look_like(data.x) - data.attributes["scale"]).abs().max() < 0.03

    @pytest.mark.parametrize(
        "change, words",
        [({"shape": torch.tensor([3])}, "shape holds 3"), ({"colour": None}, "lack")],
    )
    def test_attributes_that_do_not_fit(self, change, words):
        attributes = {k: torch.zeros(1).long() for k in ("shape", "colour", "scale")} | change
        with pytest.raises(ValueError, match=words):
            captions({k: v for k, v in attributes.items() if v is not None})


def caption_model(**options):
    torch.manual_seed(0)
    sizes = {"num_words": len(caption_vocabulary()), "num_text": 4, "num_latents": 3, "width": 4}
    return CaptionGAN((3, 16, 16), **{**sizes, **options})


class TestCaptionToImage:
    tokens = caption_vocabulary().encode(["a small red circle", "a large blue square"])

    def test_a_bag_knows_no_order_and_no_padding(self):
        words, tokens = BagOfWords(14, 5), torch.tensor([[3, 5, 1, 13]])
        code = words(tokens)
        torch.testing.assert_close(words(tokens[:, [2, 1, 0]]), code)
        assert not torch.allclose(words(tokens[:, :2]), code)

    def test_both_players_read(self):
        model = caption_model(norm="none").eval()
        one, other = (model.sample(3, condition=t, generator=seeded()) for t in self.tokens)
        assert one.shape == (3, 3, 16, 16) and not torch.allclose(one, other, atol=1e-6)
        x = torch.rand(2, 3, 16, 16, generator=seeded())
        judged = [model.discriminator(x, t) for t in (self.tokens, self.tokens.flip(0))]
        assert not torch.allclose(*judged, atol=1e-7)

    def test_a_wrong_caption_counts_as_fake(self):
        """The loss by hand; rows whose next caption reads the same are left out."""
        model = caption_model(norm="none").eval()
        tokens, x = self.tokens[[0, 0, 1]], torch.rand(3, 3, 16, 16, generator=seeded())
        with torch.no_grad():
            model.generator.image.layers[-2].weight.zero_()  # all fakes are grey, for any noise
            fake = torch.full_like(x, 0.5)
            judge = model.discriminator
            wrong = judge(x, tokens.roll(1, 0))[[0, 2]]  # row 1 follows row 0 of the same words
            by_hand = F.softplus(-judge(x, tokens)).mean()
            by_hand += (F.softplus(judge(fake, tokens)).mean() + F.softplus(wrong).mean()) / 2
            torch.testing.assert_close(model.discriminator_loss((x, tokens)), by_hand)
            model.matching = False
            plain = F.softplus(-judge(x, tokens)).mean() + F.softplus(judge(fake, tokens)).mean()
            torch.testing.assert_close(model.discriminator_loss((x, tokens)), plain)
            assert abs(float(plain - by_hand)) > 1e-6

    def test_each_loss_reaches_its_own_player(self):
        model = caption_model(norm="none")
        batch = (torch.rand(2, 3, 16, 16, generator=seeded()), self.tokens)
        model.discriminator_loss(batch).backward()
        assert all(p.grad is None for p in model.generator.parameters())
        assert model.discriminator.text.words.weight.grad.abs().sum() > 0
        model.generator_loss(batch).backward()
        assert model.generator.text.words.weight.grad.abs().sum() > 0

    def test_it_learns_to_read(self):
        """Captions of one word, dark or bright."""
        words = torch.arange(96)[:, None] % 2
        x = (0.2 + 0.6 * words)[:, :, None, None] + 0.02 * torch.randn(
            96, 1, 8, 8, generator=seeded()
        )
        torch.manual_seed(0)
        model = CaptionGAN((1, 8, 8), num_words=3, num_latents=2, width=8, norm="spectral")
        fit_adversarial(
            model, TensorDataset(x.clamp(0, 1), words), steps=150, lr=5e-3, batch_size=32,
            device="cpu", progress=False, sample_steps=1000,
            draw=lambda m, g: m.sample(64, condition=torch.tensor([0]), generator=g),
        )  # fmt: skip
        for word in (0, 1):
            found = model.sample(50, condition=torch.tensor([word]), generator=seeded()).mean()
            assert abs(float(found) - (0.2 + 0.6 * word)) < 0.15

    @pytest.mark.parametrize(
        "tokens, words",
        [
            (None, "condition is None"),
            (torch.tensor([99]), r"tokens hold 99, expected 0\.\.12"),
            (torch.tensor([0.5]), r"tokens are torch\.float32"),
        ],
    )
    def test_captions_that_do_not_fit(self, tokens, words):
        with pytest.raises(ValueError, match=words):
            caption_model().sample(2, condition=tokens)


class TestWatermark:
    mark = watermark.Watermark(32, period=32, key=1)
    bits = torch.randint(0, 2, (8, 32), generator=seeded(3))

    def test_carriers_are_orthogonal_and_the_mark_has_variance_1(self):
        rows = self.mark.carriers.flatten(1)
        torch.testing.assert_close(rows @ rows.T, torch.eye(32) * 32, atol=1e-3, rtol=0)
        pattern = self.mark.pattern(self.bits)
        torch.testing.assert_close(pattern.square().mean((1, 2)), torch.ones(8), atol=1e-4, rtol=0)

    def test_the_quality_is_that_of_the_strength(self):
        x = patches().clamp(0.2, 0.8)  # nothing is cut off at 0 and 1
        found = watermark.psnr(self.mark.embed(x, self.bits, strength=0.02), x)
        assert (found + 20 * math.log10(0.02)).abs().max() < 0.1  # 34 dB

    @pytest.mark.parametrize("attack", ["none", "jpeg 50", "jpeg 30", "crop", "crop and jpeg"])
    def test_bits_survive(self, attack):
        x = self.mark.embed(patches(), self.bits, strength=0.02)
        if "crop" in attack:
            x = x[..., 13:141, 37:165]
        if "jpeg" in attack:
            x = watermark.jpeg(x, quality=30 if attack == "jpeg 30" else 50)
        decoded, shift = self.mark.decode(x)
        assert (decoded != self.bits).double().mean() < 0.03
        assert watermark.p_value(decoded, self.bits).max() < 1e-4
        if "crop" in attack:
            assert torch.equal(shift, torch.tensor([-13 % 32, -37 % 32]).expand(8, 2))

    def test_another_key_reads_nothing(self):
        marked = self.mark.embed(patches(), self.bits, strength=0.02)
        decoded, _ = watermark.Watermark(32, period=32, key=2).decode(marked)
        assert 0.35 < (decoded != self.bits).double().mean() < 0.65

    def test_the_error_rate_is_exact(self):
        """Messages drawn at random, against unmarked pictures: the binomial rate at each level."""
        decoded, _ = self.mark.decode(patches())
        messages = torch.randint(0, 2, (20_000, 32), generator=seeded(4))
        p = watermark.p_value(decoded[:1].expand(20_000, 32), messages)
        for right in (18, 20, 22):
            level = float(stats.binom.sf(right - 1, 32, 0.5))
            share = float((p <= level * (1 + 1e-9)).double().mean())
            assert abs(share - level) < 4 * math.sqrt(level / 20_000)

    def test_p_values_are_scipys(self):
        bits, decoded = torch.zeros(11, 10), torch.ones(11, 10).tril(-1)
        expected = [stats.binomtest(10 - k, 10, alternative="greater").pvalue for k in range(11)]
        found = watermark.p_value(decoded, bits)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))

    @pytest.mark.parametrize(
        "call, words",
        [
            (lambda m: watermark.Watermark(0), "num_bits is 0"),
            (lambda m: watermark.Watermark(500, period=16), "num_bits is 500"),
            (lambda m: m.embed(torch.rand(1, 3, 64, 64), torch.full((1, 32), 2)), r"values \[2\]"),
            (lambda m: m.decode(torch.rand(1, 3, 16, 64)), "16 x 64 pixels, expected at least 32"),
            (lambda m: watermark.jpeg(torch.rand(1, 3, 8, 8), quality=0), "quality is 0"),
        ],
    )
    def test_arguments_that_do_not_fit(self, call, words):
        with pytest.raises(ValueError, match=words):
            call(self.mark)


class TestFakeDetection:
    def test_white_noise_is_flat_and_a_wave_is_a_peak(self):
        noise = 0.3 * torch.randn(400, 1, 32, 32, generator=seeded())
        torch.testing.assert_close(
            fake_detection.power_spectrum(noise).mean(0)[1:],
            torch.full((16,), 0.09),
            atol=0.006,
            rtol=0,
        )
        wave = torch.cos(2 * math.pi * 5 * torch.arange(32) / 32).expand(1, 1, 32, 32)
        assert fake_detection.power_spectrum(wave)[0].argmax() == 5

    def test_parseval(self):
        x = torch.rand(2, 3, 16, 16, generator=seeded()).double()
        axis = torch.fft.fftfreq(16, 1 / 16)
        radius = (axis[:, None].square() + axis.square()).sqrt().round().clamp(max=8)
        places = torch.tensor([int((radius == r).sum()) for r in range(9)]).double()
        total = fake_detection.power_spectrum(x) @ places / 256
        torch.testing.assert_close(total, x.var((2, 3), correction=0).mean(1))

    def test_zeros_between_pixels_repeat_the_spectrum(self):
        """What filters of a transposed convolution have to take away: high equals low."""
        low = F.interpolate(torch.randn(200, 1, 8, 8, generator=seeded()), scale_factor=2)
        spread = torch.zeros(200, 1, 32, 32)
        spread[..., ::2, ::2] = low
        spectrum = torch.fft.fft2(spread).abs()
        torch.testing.assert_close(spectrum, spectrum.roll((16, 16), (2, 3)), atol=1e-3, rtol=0)
        ratio = [fake_detection.power_spectrum(s).mean(0) for s in (spread, low)]
        assert ratio[0][15:].mean() / ratio[0][1:4].mean() > 0.3  # of low frequencies' power
        assert ratio[1][7:].mean() / ratio[1][1:4].mean() < 0.3

    def test_a_detector_knows_the_generator_it_was_shown(self):
        x = shapes(4000, size=32).x
        kinds = [nearest, bilinear, transposed]
        fakes = [kind(x[1000 * i : 1000 * i + 1000]) for i, kind in enumerate(kinds)]
        table = fake_detection.generalisation(
            x[3000:3500], x[3500:], [f[:500] for f in fakes], [f[500:] for f in fakes]
        )
        assert table.diagonal().min() > 0.97
        gap = table.diagonal() - (table.sum(1) - table.diagonal()) / 2
        assert gap[:2].min() > 0.4 and table[0, 1:].max() < 0.55

    def test_real_against_real_is_chance(self):
        x = shapes(4000, size=16).x
        detector = fake_detection.SpectralDetector(x[:1000], x[1000:2000])
        assert abs(detector.accuracy(x[2000:3000], x[3000:]) - 0.5) < 0.05

    def test_pictures_that_are_no_squares(self):
        with pytest.raises(ValueError, match=r"x has shape \(1, 3, 8, 16\)"):
            fake_detection.power_spectrum(torch.rand(1, 3, 8, 16))


class TestAttribution:
    def test_the_generator_is_found(self):
        """Three networks at random, which differ in their weights only; new samples."""
        samples = []
        for seed in range(3):
            torch.manual_seed(seed)
            generator = DCGAN((3, 16, 16), num_latents=8, width=8)
            for layer in generator.generator.modules():
                if isinstance(layer, torch.nn.ConvTranspose2d):
                    torch.nn.init.normal_(layer.weight, std=0.15)
            samples.append(generator.sample(600, generator=seeded(seed)))
        prints = attribution.fingerprints([s[:300] for s in samples])
        for k, s in enumerate(samples):
            assert (attribution.which_generator(s[300:], prints) == k).double().mean() > 0.8

    def test_two_halves_of_the_data_are_chance(self):
        x = shapes(4000, size=16).x
        prints = attribution.fingerprints([x[:1000], x[1000:2000]])
        found = attribution.which_generator(x[2000:], prints)
        assert (
            abs((found[:1000] == 0).double().mean() - (found[1000:] == 0).double().mean()) < 0.08
        )

    def test_the_fingerprint_of_one_generator_is_its_correlation(self):
        """A pattern under noise correlates as a pattern does."""
        pattern = torch.randn(2, 1, 12, 12, generator=seeded())
        noise = torch.randn(2, 500, 1, 12, 12, generator=seeded(1))
        x = 0.3 * pattern[:, None] + noise
        prints = attribution.fingerprints(list(x))
        share = (attribution.correlations(x[0], prints)[:, 0] > 0).double().mean()
        assert share > 0.85

    def test_arguments_that_do_not_fit(self):
        x = torch.rand(4, 1, 8, 8)
        with pytest.raises(ValueError, match="samples are of 1 generators"):
            attribution.fingerprints([x])
        with pytest.raises(ValueError, match=r"pictures have shape \(1, 4, 4\)"):
            attribution.correlations(x[..., :4, :4], attribution.fingerprints([x, x.flip(3)]))


@pytest.mark.slow
def test_trained_generators_are_told_apart_and_from_data():
    """Three DCGANs after 200 steps that differ in the seed only; 500 new samples of each.

    Their pictures are far from perfect, and a detector of one of them knows the others, too.
    """
    x, samples = shapes(3000, size=16).x, []
    for seed in range(3):
        torch.manual_seed(seed)
        model = DCGAN((3, 16, 16), num_latents=16, width=16)
        fit_adversarial(
            model, x[:2000], steps=200, lr=1e-3, seed=seed, device="cpu", progress=False
        )  # fmt: skip
        samples.append((255 * model.sample(1000, generator=seeded(seed))).round() / 255)
    train, test = [s[:500] for s in samples], [s[500:] for s in samples]
    prints = attribution.fingerprints(train)
    for k, s in enumerate(test):
        assert (attribution.which_generator(s, prints) == k).double().mean() > 0.9
    assert fake_detection.generalisation(x[:1000], x[2000:], train, test).min() > 0.9


class TestLeaveOneOut:
    rows = digits().x.flatten(1).double()[torch.randperm(1797, generator=seeded())]
    train, x = rows[:60], rows[60:66]

    def without(self, log_prob):
        full = log_prob(self.train)
        rest = [torch.cat([self.train[:i], self.train[i + 1 :]]) for i in range(60)]
        return torch.stack([full - log_prob(rows) for rows in rest], 1)

    def test_the_gaussian_against_fitting_again(self):
        by_hand = self.without(lambda t: leave_one_out.gaussian_log_prob(self.x, t, ridge=0.05))
        found = leave_one_out.gaussian_leave_one_out(self.x, self.train, ridge=0.05)
        torch.testing.assert_close(found, by_hand, atol=1e-9, rtol=0)
        assert by_hand.std() > 0.01

    def test_the_kernel_density_against_fitting_again(self):
        def log_prob(train):
            near = -torch.cdist(self.x, train).square() / (2 * 0.8**2)
            return near.logsumexp(1) - math.log(len(train))

        found = leave_one_out.kde_leave_one_out(self.x, self.train, bandwidth=0.8)
        torch.testing.assert_close(found, self.without(log_prob), atol=1e-9, rtol=0)

    def test_who_ranks_like_leaving_out(self):
        """Nearness is the answer in the kernel density; in the Gaussian only influence is."""
        near = leave_one_out.nearness(self.x, self.train)
        kde = leave_one_out.kde_leave_one_out(self.x, self.train, bandwidth=0.8)
        assert leave_one_out.rank_agreement(near, kde).min() > 0.999
        exact = leave_one_out.gaussian_leave_one_out(self.x, self.train, ridge=0.05)
        guess = leave_one_out.gaussian_influence(self.x, self.train, ridge=0.05)
        assert leave_one_out.rank_agreement(guess, exact).min() > 0.98
        assert leave_one_out.rank_agreement(near, exact).mean() < 0.7

    def test_influence_is_the_limit_of_many_rows(self):
        """One of N copies of the data leaves out 1/N as much: the first order is all there is."""
        exact = leave_one_out.gaussian_leave_one_out(self.x, self.train.repeat(50, 1), ridge=0.05)
        guess = leave_one_out.gaussian_influence(self.x, self.train.repeat(50, 1), ridge=0.05)
        assert ((exact - guess).norm() / exact.norm()) < 0.02

    def test_ranks_are_scipys(self):
        a, b = torch.randn(2, 3, 20, generator=seeded())
        expected = [stats.spearmanr(u, v).statistic for u, v in zip(a, b, strict=True)]
        found = leave_one_out.rank_agreement(a, b)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))

    def test_arguments_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"shapes are \(6, 64\) and \(60, 3\)"):
            leave_one_out.nearness(self.x, self.train[:, :3])
        with pytest.raises(ValueError, match="bandwidth is 0"):
            leave_one_out.kde_leave_one_out(self.x, self.train, bandwidth=0)
        with pytest.raises(ValueError, match="ridge is -1"):
            leave_one_out.gaussian_leave_one_out(self.x, self.train, ridge=-1)


class TestStyleTransfer:
    def encoder(self):
        torch.manual_seed(0)
        return ConvEncoder(3, widths=(8, 16)).eval()

    content, style = F.interpolate(photographs().x, size=(24, 32), mode="area").split(1)

    def test_gram_forgets_the_places(self):
        maps = torch.randn(2, 5, 4, 6, generator=seeded())
        order = torch.randperm(24, generator=seeded())
        moved = maps.flatten(2)[..., order].unflatten(2, (4, 6))
        found = style_transfer.gram(maps)
        torch.testing.assert_close(found, style_transfer.gram(moved))
        by_hand = torch.einsum("bdhw,behw->bde", maps, maps) / 24
        torch.testing.assert_close(found, by_hand)
        assert not torch.allclose(found, style_transfer.gram(maps.roll(1, 1)))  # but not which

    def test_the_maps_are_the_encoders_at_every_shift(self):
        encoder = self.encoder()
        x = torch.rand(1, 3, 16, 16, generator=seeded())
        fine, coarse = style_transfer.layer_maps(encoder, x)
        torch.testing.assert_close(coarse[..., ::4, ::4], encoder.maps(x))
        torch.testing.assert_close(fine[..., ::2, ::2], encoder.layers[:3](x))

    def test_the_style_loss_falls(self):
        found = style_transfer.transfer(self.content, self.style, self.encoder(), steps=30)
        assert found.style[-1] < found.style[0] / 20
        assert found.content[0] == 0 < found.content[-1]
        assert found.image.shape == self.content.shape
        assert found.image.min() >= 0 and found.image.max() <= 1

    def test_without_style_the_content_stays_and_comes_back(self):
        """32 features of a place, half of them 0, still say what its pixels are."""
        torch.manual_seed(0)
        encoder, shape = ConvEncoder(3, widths=(32, 32)), self.content.shape
        options = {"style_weight": 0.0, "content_layers": (0, 1)}
        same = style_transfer.transfer(self.content, self.style, encoder, **options)
        torch.testing.assert_close(same.image, self.content)
        start = (self.content + 0.2 * torch.randn(shape, generator=seeded())).clamp(0, 1)
        back = style_transfer.transfer(
            self.content, self.style, encoder, start=start, steps=80, **options
        )
        before, after = ((x - self.content).square().mean() for x in (start, back.image))
        assert before > 0.02 and after < 1e-4

    def test_arguments_that_do_not_fit(self):
        encoder, x = self.encoder(), self.content
        with pytest.raises(ValueError, match=r"content_layers hold 2, expected 0\.\.1"):
            style_transfer.transfer(x, x, encoder, content_layers=(2,))
        with pytest.raises(ValueError, match="style_weight -1"):
            style_transfer.transfer(x, x, encoder, style_weight=-1)
        with pytest.raises(ValueError, match=r"maps have shape \(3, 4\)"):
            style_transfer.gram(torch.rand(3, 4))


class TestConsequences:
    def test_copies_are_found_and_new_data_are_not(self):
        train, held_out, new = torch.randn(3, 400, 2, generator=seeded())
        noise = 0.02 * torch.randn(400, 2, generator=seeded(1))
        copies = consequences.copying_test(train + noise, train, held_out)
        assert copies.closer > 0.8 and copies.p_value < 1e-20
        assert consequences.copying_test(new, train, held_out).p_value > 0.01
        far = consequences.copying_test(new + 5, train, held_out)
        assert far.closer < 0.05 and far.p_value > 0.99

    def test_the_p_value_is_uniform_for_new_data(self):
        draws = torch.randn(200, 3, 60, 2, generator=seeded())
        p = [consequences.copying_test(a, b, c).p_value for a, b, c in draws]
        assert stats.kstest(p, "uniform").pvalue > 0.01

    def test_a_share_of_copies(self):
        """A tenth of the samples copied is found with 400 of them, at a distance of 0."""
        train, held_out, new = torch.randn(3, 400, 5, generator=seeded(2))
        mixed = torch.cat([train[:120], new[120:]])
        found = consequences.copying_test(mixed, train, held_out)
        assert consequences.nearest_distance(mixed, train)[:120].max() == 0
        assert found.closer == pytest.approx(0.5 + 0.5 * 0.3, abs=0.06) and found.p_value < 1e-6

    def test_truncated_noise_is_scipys(self):
        z = consequences.truncated_noise(5000, 2, 0.7, generator=seeded())
        assert z.abs().max() <= 0.7
        known = stats.truncnorm(-0.7, 0.7)
        assert stats.kstest(z.flatten().numpy(), known.cdf).pvalue > 0.01

    def test_a_rare_class_vanishes(self):
        """x is z itself on a line: class 2 where z > 1.6, 5.5% of all; class 1 below -0.5."""

        def classify(x):
            return torch.where(x[:, 0] > 1.6, 2, torch.where(x[:, 0] < -0.5, 1, 0))

        found = consequences.shares_under_truncation(
            lambda z: z, classify, (4.0, 2.0, 1.5, 0.4), num_classes=3, num_latents=1, n=20_000,
            generator=seeded(),
        )  # fmt: skip
        for t, shares in zip((4.0, 2.0, 1.5, 0.4), found, strict=True):
            cdf = stats.truncnorm(-t, t).cdf
            expected = [cdf(1.6) - cdf(-0.5), cdf(-0.5), 1 - cdf(1.6)]
            torch.testing.assert_close(shares.tolist(), expected, atol=0.012, rtol=0)
        assert found[0, 2] > 0.05 and found[2, 2] == 0 and found[3, 0] == 1

    def test_arguments_that_do_not_fit(self):
        with pytest.raises(ValueError, match="threshold is 0"):
            consequences.truncated_noise(5, 2, 0)
        with pytest.raises(ValueError, match=r"shapes are \(3, 2\) and \(3, 4\)"):
            consequences.nearest_distance(torch.rand(3, 2), torch.rand(3, 4))
