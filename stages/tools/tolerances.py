"""How much worse than at another commit a model may be: the section `gate` of params.yaml."""

from dataclasses import dataclass

from hourglass.config.types import NonNegative


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """How much worse a model may get on the validation images before `make gate` fails. Changes no result.

    Args:
        psnr_db: Loss of the mean PSNR, in dB.
        ssim: Loss of the mean SSIM.
        bytes_percent: Growth of its files, in percent of their mean bytes an image.
    """

    psnr_db: NonNegative = 0.1
    ssim: NonNegative = 0.005
    bytes_percent: NonNegative = 10.0
