"""What each dimension of the latent of a generative family stands for."""

from matplotlib.figure import Figure

from hourglass.figures.evaluated import Evaluated
from hourglass.figures.rows import draw_rows

NOTE = "one dimension at a time, in standard deviations of the prior, others 0; beside it its mean KL divergence"


def draw(model: Evaluated) -> Figure | None:
    """Draw a row for each dimension, the one with the largest divergence from the prior first."""
    if model.generated is None:
        return None
    generated = model.generated
    rows = [
        f"dimension {dimension}\n{kl:.2f} nats"
        for dimension, kl in zip(generated.dimensions, generated.kl_nats, strict=True)
    ]
    columns = [f"{value:.2g}" for value in generated.values]
    return draw_rows(generated.variations, rows, columns, f"{model.name}: one dimension at a time", NOTE)
