"""The priors map noise to latents and back, and their densities are densities."""

import math

import pytest
import torch
from torch import Tensor, distributions, nn

from training.model.flow import ConditionalFlow, Coupling, StandardNormal

CLASSES = 4


def bent_flow(
    latent_dim: int = 3, couplings: int = 5, spread: float = 0.4, label_couplings: int | None = None
) -> ConditionalFlow:
    """A flow that is far from the identity and differs between labels."""
    flow = ConditionalFlow(latent_dim, CLASSES, couplings, 8, label_couplings)
    generator = torch.Generator().manual_seed(1)
    for weights in flow.parameters():
        nn.init.normal_(weights, std=spread, generator=generator)
    flow.standardise(torch.linspace(-1, 1, latent_dim), torch.linspace(0.5, 2, latent_dim))
    return flow.double().requires_grad_(False)


def noise_and_label(latent_dim: int, rows: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(rows, latent_dim, generator=generator, dtype=torch.float64)
    return noise, torch.arange(rows) % CLASSES


@pytest.mark.parametrize("label_couplings", [None, 2, 0])
@pytest.mark.parametrize("latent_dim", [2, 3, 20])
def test_density_is_that_of_the_noise_over_the_volume_change(latent_dim: int, label_couplings: int | None) -> None:
    flow = bent_flow(latent_dim, label_couplings=label_couplings)
    noise, label = noise_and_label(latent_dim)
    jacobians = torch.stack(
        [
            torch.autograd.functional.jacobian(lambda row, i=i: flow.latent(row[None], label[i : i + 1])[0], noise[i])
            for i in range(len(noise))
        ]
    )  # (n, d, d)
    log_volume = torch.linalg.slogdet(jacobians).logabsdet
    expected = distributions.Normal(0.0, 1.0).log_prob(noise).sum(1) - log_volume
    torch.testing.assert_close(flow.log_prob_given(flow.latent(noise, label), label), expected)


@pytest.mark.parametrize(
    "prior", [bent_flow(), bent_flow(label_couplings=2), bent_flow(label_couplings=0), StandardNormal(3, CLASSES)]
)
def test_density_over_all_labels_holds_each_labels_own(prior: ConditionalFlow | StandardNormal) -> None:
    latents, _ = noise_and_label(3)
    every = prior.log_prob(latents)
    assert every.shape == (7, CLASSES)
    for label in range(CLASSES):
        torch.testing.assert_close(every[:, label], prior.log_prob_given(latents, torch.full((7,), label)))


@pytest.mark.parametrize("label_couplings", [None, 2, 0])
def test_labels_have_densities_of_their_own(label_couplings: int | None) -> None:
    latents, _ = noise_and_label(3)
    every = bent_flow(label_couplings=label_couplings).log_prob(latents)
    assert (every.std(dim=1) > 0.1).all()


def test_couplings_undo_themselves() -> None:
    flow = bent_flow()
    z, label = noise_and_label(3)
    for coupling in flow.couplings:
        back, _ = coupling.inverse(coupling(z, label), label)
        torch.testing.assert_close(back, z)


def test_every_dimension_is_moved_and_kept() -> None:
    couplings = bent_flow(latent_dim=5, couplings=4).couplings
    kept = torch.stack([coupling.kept for coupling in couplings if isinstance(coupling, Coupling)])
    assert kept.sum(0).tolist() == [2.0] * 5


def test_density_integrates_to_one() -> None:
    flow = bent_flow(latent_dim=2, couplings=2, spread=0.25)
    axis = torch.linspace(-16, 16, 641, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    total = flow.log_prob_given(grid, torch.ones(len(grid), dtype=torch.long)).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_new_flow_is_the_standard_normal() -> None:
    flow, normal = ConditionalFlow(3, CLASSES, 4, 8), StandardNormal(3, CLASSES)
    noise, label = (values.to(torch.float32) if values.is_floating_point() else values for values in noise_and_label(3))
    torch.testing.assert_close(flow.latent(noise, label), normal.latent(noise, label))
    torch.testing.assert_close(flow.log_prob(noise), normal.log_prob(noise))
    assert torch.equal(normal.latent(noise, label), noise)


def test_standard_normal_peaks_at_zero_with_the_known_density() -> None:
    found = StandardNormal(3, CLASSES).log_prob(torch.zeros(1, 3))
    assert found.tolist() == [pytest.approx([-1.5 * math.log(2 * math.pi)] * CLASSES)]


def test_flow_learns_a_shape_that_depends_on_the_label() -> None:
    """Label 0 is a ring, label 1 a narrow cloud: a Gaussian per label cannot describe the ring."""
    generator = torch.Generator().manual_seed(3)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        flow = ConditionalFlow(2, 2, couplings=4, width=24)
    optimiser = torch.optim.Adam(flow.parameters(), lr=5e-3)

    def rows(count: int) -> tuple[Tensor, Tensor]:
        angle = 2 * math.pi * torch.rand(count, generator=generator)
        ring = torch.stack([angle.cos(), angle.sin()], 1) * 2 + 0.1 * torch.randn(count, 2, generator=generator)
        cloud = 3 + 0.1 * torch.randn(count, 2, generator=generator)
        label = torch.arange(count) % 2
        return torch.where(label[:, None] == 0, ring, cloud), label

    for _ in range(300):
        latents, label = rows(256)
        optimiser.zero_grad()
        loss = -flow.log_prob_given(latents, label).mean()
        loss.backward()
        optimiser.step()
    latents, label = rows(2000)
    log_prob = flow.log_prob(latents).detach()
    assert (log_prob.argmax(1) == label).float().mean() > 0.99
    ring = log_prob[label == 0, 0]
    gaussian = distributions.Normal(0.0, latents[label == 0].std()).log_prob(latents[label == 0]).sum(1)
    assert ring.mean() > gaussian.mean() + 0.5
