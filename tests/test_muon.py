"""Muon takes torch's step of a matrix, the same of filters, and AdamW's of all else."""

import copy
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from hourglass.training.muon import Muon, is_matrix, orthogonalized
from hourglass.training.schedules import SCHEDULES

SHAPES = [(24, 40), (40, 24), (16, 16), (300, 8)]
RATE = 0.1
BFLOAT16 = 2.0**-8  # half of the distance between 1 and the next number


def parameter(shape: tuple[int, ...], seed: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def gradients(shape: tuple[int, ...], steps: int = 4) -> list[Tensor]:
    return [torch.randn(shape, generator=torch.Generator().manual_seed(10 + step)) for step in range(steps)]


def after(optimizer: torch.optim.Optimizer, value: nn.Parameter, grads: list[Tensor]) -> list[Tensor]:
    """Return a parameter after a step with each gradient."""
    values = []
    for grad in grads:
        value.grad = grad.clone(memory_format=torch.preserve_format)
        optimizer.step()
        values.append(value.detach().clone())
    return values


def newton_schulz(gradient: Tensor) -> Tensor:
    """Orthogonalize a matrix as torch.optim.Muon does, in float64."""
    wide = gradient.shape[0] <= gradient.shape[1]
    values = (gradient if wide else gradient.T).double()
    values = values / values.norm()
    a, b, c = torch.optim.Muon([nn.Parameter(gradient)]).defaults["ns_coefficients"]
    for _ in range(5):
        gram = values @ values.T
        values = a * values + (b * gram + c * gram @ gram) @ values
    return values if wide else values.T


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_matrix_gets_the_step_of_torch(shape: tuple[int, int]) -> None:
    ours, theirs = parameter(shape, 0), parameter(shape, 0)
    reference = torch.optim.Muon([theirs], lr=RATE, momentum=0.9, weight_decay=0.2, adjust_lr_fn="match_rms_adamw")
    grads = gradients(shape)
    stepped = after(Muon([ours], RATE, momentum=0.9, weight_decay=0.2), ours, grads)
    for value, expected in zip(stepped, after(reference, theirs, grads), strict=True):
        start = parameter(shape, 0).detach()
        assert (value - expected).norm() < 4 * BFLOAT16 * (expected - start).norm()


@pytest.mark.parametrize("rank", [2, 16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_its_iteration_is_that_of_torch_in_more_digits(shape: tuple[int, int], rank: int) -> None:
    rows, columns = shape
    gradient = parameter((rows, rank), 0).detach() @ parameter((rank, columns), 1).detach()
    exact = newton_schulz(gradient)
    error = (orthogonalized(gradient) - exact).norm() / exact.norm()
    assert error < BFLOAT16 / 40


class Rounded(TorchDispatchMode):
    """Round what is multiplied to ten bits behind the point, as a GPU does where tf32 is allowed."""

    def __torch_dispatch__(
        self,
        function: OpOverload[..., Tensor],
        types: tuple[type, ...],
        args: tuple[Tensor, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> Tensor:
        if function is torch.ops.aten.mm.default:
            args = tuple(((bits(matrix) + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32) for matrix in args)
        return function(*args, **(kwargs or {}))


def bits(matrix: Tensor) -> Tensor:
    return matrix.contiguous().view(torch.int32)


@pytest.fixture
def tf32_allowed() -> Iterator[None]:
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.usefixtures("tf32_allowed")
@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (72, 2, 2, 2), (16, 9, 4, 4)], ids=str)
def test_products_in_tf32_make_no_step_too_large(shape: tuple[int, ...]) -> None:
    left, sizes, right = torch.linalg.svd(parameter(shape, 0).detach().flatten(1), full_matrices=False)
    sizes[1:] = sizes[0] / 200  # one direction is far larger than all others
    gradient = (left * sizes @ right).view(shape)
    exact = newton_schulz(gradient.flatten(1))
    torch.testing.assert_close(orthogonalized(gradient).flatten(1).double(), exact, rtol=0, atol=1e-4)
    with Rounded():
        step = orthogonalized(gradient).flatten(1).double()
    assert torch.linalg.matrix_norm(step, 2) < 1.01 * torch.linalg.matrix_norm(exact, 2)
    assert (step - exact).norm() < 4 * BFLOAT16 * exact.norm()


@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_the_size_of_a_gradient_does_not_matter(size: float) -> None:
    gradient = parameter((12, 20), 0).detach()
    torch.testing.assert_close(orthogonalized(gradient * size), orthogonalized(gradient), rtol=1e-4, atol=1e-5)


def test_no_gradient_is_no_direction() -> None:
    assert not orthogonalized(torch.zeros(12, 20)).any()


@pytest.mark.parametrize("shape", [(16, 3, 3, 3), (8, 40, 3, 3), (64, 4, 1, 2), (16, 16, 1, 1)], ids=str)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_filters_get_the_step_of_their_matrix(shape: tuple[int, ...], memory_format: torch.memory_format) -> None:
    matrix = nn.Parameter(parameter(shape, 0).detach().flatten(1).clone())
    filters = nn.Parameter(parameter(shape, 0).detach().contiguous(memory_format=memory_format))
    grads = [grad.contiguous(memory_format=memory_format) for grad in gradients(shape)]
    expected = after(Muon([matrix], RATE), matrix, [grad.flatten(1) for grad in grads])
    stepped = after(Muon([filters], RATE), filters, grads)
    assert filters.is_contiguous(memory_format=memory_format)
    for value, other in zip(stepped, expected, strict=True):
        torch.testing.assert_close(value.flatten(1), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(), (50,), (7, 90), (90, 7), (4, 3, 3, 3), (9, 1, 2, 3)], ids=str)
def test_vectors_and_thin_matrices_get_the_step_of_adamw(shape: tuple[int, ...]) -> None:
    ours, theirs = parameter(shape, 0), parameter(shape, 0)
    reference = torch.optim.AdamW([theirs], lr=RATE, betas=(0.8, 0.9), weight_decay=0.2, fused=True)
    grads = gradients(shape)
    stepped = after(Muon([ours], RATE, weight_decay=0.2, betas=(0.8, 0.9)), ours, grads)
    assert not is_matrix(ours)
    assert all(torch.equal(*pair) for pair in zip(stepped, after(reference, theirs, grads), strict=True))


def network() -> nn.Sequential:
    """Return a network with a convolution and a matrix, vectors, and filters that are too few to be a matrix."""
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 10, 3), nn.ReLU(), nn.Flatten(), nn.Linear(90, 12), nn.Linear(12, 3)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def take_steps(layers: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
    for seed in seeds:
        images = torch.rand(6, 2, 5, 5, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        layers(images).square().mean().backward()
        optimizer.step()


def test_parameters_without_a_gradient_stay() -> None:
    first, second = parameter((12, 20), 0), parameter((12, 20), 1)
    optimizer = Muon([first, second], RATE)
    before = second.detach().clone()
    after(optimizer, first, gradients((12, 20)))
    assert torch.equal(second, before)
    assert not torch.equal(first, parameter((12, 20), 0))


def test_a_saved_state_goes_on_with_the_same_bits() -> None:
    whole, broken = network(), network()
    take_steps(whole, Muon(whole.parameters(), RATE), range(6))
    first = Muon(broken.parameters(), RATE)
    take_steps(broken, first, range(3))
    state = copy.deepcopy(first.state_dict())
    assert len(state["state"]) == 6
    again = Muon(broken.parameters(), 7.0)
    again.load_state_dict(state)
    assert [group["lr"] for group in again.param_groups] == [RATE, RATE]
    take_steps(broken, again, range(3, 6))
    assert all(torch.equal(*pair) for pair in zip(whole.parameters(), broken.parameters(), strict=True))


def test_it_minimizes() -> None:
    layers = network()
    images = torch.rand(6, 2, 5, 5)
    before = layers(images).square().mean()
    take_steps(layers, Muon(layers.parameters(), 0.01), range(60))
    assert layers(images).square().mean() < before / 20


def test_a_schedule_changes_the_rate_of_matrices_and_of_vectors() -> None:
    layers = network()
    optimizer = Muon(layers.parameters(), RATE)
    schedule = SCHEDULES["one_cycle"](optimizer, 6)
    rates, changes = [], []
    for seed in range(6):
        before = [value.detach().clone() for value in layers.parameters()]
        rates.append([group["lr"] for group in optimizer.param_groups])
        take_steps(layers, optimizer, range(seed, seed + 1))
        schedule.after_step()
        pairs = zip(layers.parameters(), before, strict=True)
        changes.append([(value - earlier).square().mean().sqrt().item() for value, earlier in pairs])
    assert [of_matrices for of_matrices, _ in rates] == [of_others for _, of_others in rates]
    assert max(rates)[0] == pytest.approx(RATE, rel=0.05)
    assert rates[-1][0] < RATE / 4
    filters, bias = ([change[index] for change in changes] for index in (0, 1))
    for sizes in (filters, bias):  # up with the rate, and down
        assert sizes[0] < sizes[2]
        assert all(later < earlier for earlier, later in pairwise(sizes[3:]))
