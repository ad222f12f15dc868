"""Train with PyTorch Lightning, switched to its quickest: no logger, no checkpoints, no progress bar."""

import lightning
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from .job import Job, Result, Stopwatch, serve
from .torch_parts import count_parameters, make_loader, make_network, make_optimizer


class Module(lightning.LightningModule):  # type: ignore[misc] # the main environment has no Lightning
    """Hourglass's network, with the steps that Lightning asks for; it times itself."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.network = make_network(job)
        self.stopwatch = Stopwatch()

    def on_train_start(self) -> None:
        """Leave what comes before the first epoch out of it."""
        self.stopwatch = Stopwatch()

    def training_step(self, images: Tensor) -> Tensor:
        """Return the loss of a batch (B, C, H, W)."""
        loss = functional.mse_loss(self.network(images), images)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def validation_step(self, images: Tensor) -> None:
        """Log the loss of a batch (B, C, H, W)."""
        self.log("val_loss", functional.mse_loss(self.network(images), images), batch_size=len(images))

    def on_train_epoch_end(self) -> None:
        """End a lap: Lightning validates before it calls this."""
        self.stopwatch.lap()

    def configure_optimizers(self) -> Optimizer:
        """Make the optimizer."""
        return make_optimizer(self.job, self.network.parameters())


def run(job: Job) -> Result:
    """Train and validate for all epochs."""
    module = Module(job)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=job.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        module,
        make_loader(job.train, job.batch_size, shuffle=True),
        make_loader(job.val, job.batch_size, shuffle=False),
    )
    software = {"torch": torch.__version__, "lightning": lightning.__version__}
    return Result(
        module.stopwatch.laps, count_parameters(module), trainer.callback_metrics["val_loss"].item(), software
    )


if __name__ == "__main__":
    serve(run)
