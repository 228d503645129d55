"""FCMAE, the masked pre-training of ConvNeXt V2 (arXiv 2301.00808): a network learns to paint the hidden patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE as PATCH
from ..registry import MODELS
from .convnext import Block, ConvNeXt
from .layers import init_conv_and_linear
from .patches import draw_visible, fixed_visible, hidden_mask, seeded_visible, to_images, to_patches, visible_count
from .visible import VisiblePatches, patch_grid

EPS = 1e-6  # on the variance of a patch


@MODELS.register_module()
class FCMAE(BaseModel):
    """Fully convolutional masked autoencoder: encoder, decoder and loss. Decoder parameters carry the official names.

    Args:
        backbone: config of a ``ConvNeXt``, V1 or V2, whose ``out_indices`` are ``()``, or left out. The recipe has no
            drop path.
        mask_ratio: share of the patches of 32 x 32 pixels that are hidden, above 0 and below 1. Of N patches
            ``int(N * (1 - mask_ratio))`` stay visible, different ones for each image and step.
        decoder_dim: channels of the decoder.
        decoder_depth: V2 blocks of the decoder, 1 or more.
        normalized_target: True for patches as targets each of which is normalized by its own mean and variance, False
            for the input's own values.
        stacked: how the encoder leaves hidden patches out, see :mod:`~convnext_dense.models.visible`: True for visible
            ones one below the other, False for zeros. Results are equal up to rounding; True is faster on the CPU that
            docs/speed.md has measurements of, and GPUs have not been measured.
        data_preprocessor: mmengine's; the default moves the batch to the model's device.
        init_cfg: initialization config of mmengine's ``BaseModule``.

    Raises:
        UserError: (a ValueError) for a ratio or number out of range, or another backbone.
    """

    def __init__(
        self,
        backbone: dict,
        mask_ratio: float = 0.6,
        decoder_dim: int = 512,
        decoder_depth: int = 1,
        normalized_target: bool = True,
        stacked: bool = True,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        _check_ratio(mask_ratio)
        for name, number in (('decoder_dim', decoder_dim), ('decoder_depth', decoder_depth)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise UserError(f'{name} {number!r} of FCMAE is out of range: take a whole number from 1')
        self.backbone = _build_encoder(backbone)
        self.mask_ratio, self.normalized_target, self.stacked = mask_ratio, normalized_target, stacked
        self.proj = nn.Conv2d(self.backbone.dims[-1], decoder_dim, kernel_size=1)
        self.mask_token = nn.Parameter(torch.zeros(1, decoder_dim, 1, 1))
        blocks = (
            Block(decoder_dim, drop_path=0.0, layer_scale_init_value=0.0, version=2) for _ in range(decoder_depth)
        )
        self.decoder = nn.Sequential(*blocks)
        self.pred = nn.Conv2d(decoder_dim, PATCH * PATCH * self.backbone.in_channels, kernel_size=1)
        for part in (self.proj, self.decoder, self.pred):
            part.apply(init_conv_and_linear)
        if not self.mask_token.is_meta:
            nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self,
        inputs: Tensor,
        paths: Sequence[str] | None = None,
        mode: str = 'tensor',
        visible: Tensor | None = None,
        seeds: Sequence[int] | None = None,
        **_: object,
    ) -> Tensor | dict[str, Tensor] | list[dict]:
        """Run the network.

        Args:
            inputs: (N, C, H, W), normalized images with sides divisible by 32.
            paths: N file names, passed on to the predictions.
            mode: ``'tensor'`` for the decoder's output (N, 32 * 32 * C, H / 32, W / 32); ``'loss'`` for
                ``{'loss': scalar}``; ``'predict'`` for a list of N dicts on the CPU in float32: ``target`` (C, H, W),
                the input; ``reconstruction`` (C, H, W), the decoder's image, in the units of the input; ``mask``
                (H / 32, W / 32), True where a patch is hidden; ``loss``, a number; and ``path`` if it was given.
            visible: int64 (N, V), numbers of the visible patches along the rows. None draws them while training, and
                chooses them in evaluation by the names in ``paths``, or the place in the batch, so that two
                evaluations compare.
            seeds: N seeds of the draws, by which a training is the same on any number of processes; None draws from
                torch's generator.

        Raises:
            UserError: if a side is not divisible by 32, or no patch of so small an image would be visible.
        """
        rows, columns = patch_grid(*inputs.shape[2:])
        if visible is None:
            visible = self.choose_visible(len(inputs), rows * columns, paths, seeds).to(inputs.device)
        mask = hidden_mask(visible, rows, columns)
        prediction = self.decode(self.backbone(inputs, VisiblePatches(visible, self.stacked)), mask)
        if mode == 'tensor':
            return prediction
        with torch.autocast(inputs.device.type, enabled=False):  # statistics and squares of thousands of pixels
            losses, painted = self._compare(inputs, prediction, mask)
        if mode == 'loss':
            return {'loss': losses.mean()}
        reconstructions = to_images(painted, rows, columns).cpu()
        rows_of_batch = zip(inputs.float().cpu(), reconstructions, mask.cpu(), losses.tolist(), strict=True)
        predictions: list[dict] = [
            {'target': target, 'reconstruction': reconstruction, 'mask': hidden, 'loss': loss}
            for target, reconstruction, hidden, loss in rows_of_batch
        ]
        for prediction_of_image, path in zip(predictions, paths or (), strict=False):
            prediction_of_image['path'] = path
        return predictions

    def choose_visible(
        self,
        images: int,
        patches: int,
        names: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
    ) -> Tensor:
        """Choose the visible patches of N images, int64 (N, V): at random in training, otherwise by their names."""
        count = visible_count(patches, self.mask_ratio)
        if self.training:
            return draw_visible(images, patches, count) if seeds is None else seeded_visible(seeds, patches, count)
        return fixed_visible(names or [str(number) for number in range(images)], patches, count)

    def decode(self, encoded: Tensor, mask: Tensor) -> Tensor:
        """Compute the decoder's output (N, 32 * 32 * C, h, w).

        Args:
            encoded: the backbone's last stage, (N, dims[3], h, w).
            mask: (N, h, w), True where a patch is hidden, whose place the mask token takes.
        """
        x = self.proj(encoded)
        x = torch.where(mask[:, None], self.mask_token.to(x.dtype), x)
        prediction: Tensor = self.pred(self.decoder(x.contiguous(memory_format=torch.channels_last)))
        return prediction

    def features(self, inputs: Tensor) -> Tensor:
        """Compute the features (N, dims[3]) of whole images, as a classifier that starts from the encoder does.

        They are averaged over all positions and normalized, by a norm that has learned nothing.
        """
        pooled = self.backbone(inputs).mean(dim=(2, 3))
        return F.layer_norm(pooled, pooled.shape[1:], eps=self.backbone.final_norm_eps)

    def _compare(self, inputs: Tensor, prediction: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Compute each image's loss (N,), the mean over its hidden patches, and the patches in units of the input."""
        wide = torch.promote_types(inputs.dtype, torch.float32)
        target = to_patches(inputs.to(wide))  # (N, P, 32 * 32 * C)
        predicted = prediction.to(wide).flatten(2).transpose(1, 2)  # (N, P, 32 * 32 * C)
        if self.normalized_target:
            variance, mean = torch.var_mean(target, dim=2, keepdim=True)  # of each patch, unbiased
            deviation = (variance + EPS).sqrt()
            target, painted = (target - mean) / deviation, predicted.detach() * deviation + mean
        else:
            painted = predicted.detach()
        of_patches = (predicted - target).square().mean(dim=2)  # (N, P)
        hidden = mask.flatten(1)
        return (of_patches * hidden).sum(dim=1) / hidden.sum(dim=1), painted


def _check_ratio(mask_ratio: float) -> None:
    is_number = isinstance(mask_ratio, int | float) and not isinstance(mask_ratio, bool)
    if not is_number or not 0 < mask_ratio < 1:
        raise UserError(f'mask_ratio {mask_ratio!r} is out of range: take a number above 0 and below 1, such as 0.6')


def _build_encoder(config: dict) -> ConvNeXt:
    """Build the encoder, a ConvNeXt whose output is its last stage without a norm."""
    if config.get('out_indices', ()) not in ((), []):
        raise UserError(
            f'out_indices {config["out_indices"]!r} of an FCMAE backbone: leave them out, '
            'the decoder takes the last stage without a norm'
        )
    backbone = MODELS.build({**config, 'out_indices': ()})
    if not isinstance(backbone, ConvNeXt):
        raise UserError(f'FCMAE pre-trains a ConvNeXt, not a {type(backbone).__name__}: take convnext_dense.ConvNeXt')
    return backbone
