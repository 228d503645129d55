"""Configs that have no place for a ConvNeXt, each with its reason, found by what they need or are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .notes import NotAdaptable
from .sources import SourceConfig

KINDS = {
    'ImageClassifier': 'it trains a backbone as a classifier of mmpretrain; adapt the config of a detector or '
    'segmentor: configs/classification/ trains ConvNeXts themselves',
    'BaseMOTModel': 'it follows objects through videos, and the data here are images; adapt its detector, such as '
    'mmdet:faster_rcnn/... or mmdet:yolox/...',
    'BaseReID': 'it tells objects of videos apart by an embedding, and finds none',
    'SemiBaseDetector': 'it learns from images without annotations beside those with them, which the data here are '
    'not; adapt its detector, such as mmdet:faster_rcnn/...',
    'KnowledgeDistillationSingleStageDetector': 'it learns from a trained teacher with another backbone; adapt the '
    'detector without one, such as mmdet:gfl/...',
    'LAD': 'it learns from a trained teacher with another backbone; adapt the detector without one, such as '
    'mmdet:paa/...',
    'Detectron2Wrapper': "its model is one of detectron2, which is not mmdet; adapt mmdet's own, such as "
    'mmdet:faster_rcnn/...',
    'DepthEstimator': 'it estimates depth with a diffusion model as backbone, and the data here have classes',
    'MultimodalEncoderDecoder': 'it matches the image and text encoders of CLIP, which are its method',
    'TridentFasterRCNN': 'its method is its backbone: the three branches of TridentNet, which its RoI head takes',
}
"""Classes of models, with their subclasses, and why they have no place for a ConvNeXt."""

DATA_PREPROCESSORS = {
    'LineDetDataProcessor': 'it finds the lanes of roads, and the data here have boxes and masks',
    'TrackDataPreprocessor': KINDS['BaseMOTModel'],
    'ReIDDataPreprocessor': KINDS['BaseReID'],
    'MultiBranchDataPreprocessor': KINDS['SemiBaseDetector'],
}
"""Data preprocessors of other kinds of data, for models that the installed library does not register."""

WHOLE_NETWORKS = {
    *('BiSeNetV1', 'BiSeNetV2', 'CGNet', 'DDRNet', 'ERFNet', 'FastSCNN', 'ICNet', 'PIDNet', 'STDCContextPathNet'),
    *('UNet', 'DetectoRS_ResNet', 'DetectoRS_ResNeXt'),
}
"""Backbones that are networks for their task as a whole: nothing of the method is left without them."""

FAMILIES = {
    'mmdet': {
        'efficientnet': 'EfficientNet',
        'hrnet': 'HRNet',
        'pvt': 'PVT',
        'regnet': 'RegNet',
        'res2net': 'Res2Net',
        'resnest': 'ResNeSt',
        'resnet_strikes_back': 'ResNet-50 with the weights of "ResNet strikes back"',
        'selfsup_pretrain': 'ResNet-50 with weights of MoCo v2 or SwAV',
        'swin': 'Swin Transformer',
        'timm_example': 'a network of timm',
    },
    'mmseg': {
        'beit': 'BEiT',
        'dpt': 'a plain Vision Transformer',
        'hrnet': 'HRNet',
        'mae': 'a plain Vision Transformer',
        'mobilenet_v2': 'MobileNetV2',
        'mobilenet_v3': 'MobileNetV3',
        'poolformer': 'PoolFormer',
        'resnest': 'ResNeSt',
        'segnext': 'MSCAN',
        'swin': 'Swin Transformer',
        'twins': 'Twins',
        'vit': 'a plain Vision Transformer',
    },
}
"""Families of shipped configs that show a backbone with heads of other families."""

BACKBONE_PARTS = {
    'dcn': 'deformable convolutions in the stages of its ResNet',
    'dcnv2': 'deformable convolutions in the stages of its ResNet',
    'empirical_attention': 'attention in the stages of its ResNet',
    'gcnet': 'context blocks in the stages of its ResNet',
}
"""Families of mmdet that show parts in a backbone, where a config has some, and what they are."""


def check_adaptable(source: SourceConfig) -> None:
    """Check that a config has a place for a ConvNeXt.

    Raises:
        NotAdaptable: if its method is its backbone, or it is for another kind of data.
    """
    reason = _find_reason(source)
    if reason is not None:
        raise NotAdaptable(f"{source.name} can't be adapted: {reason}")


def _find_reason(source: SourceConfig) -> str | None:
    model = source.cfg.get('model')
    if not isinstance(model, dict) or 'type' not in model:
        return 'it has no model: it is a part of other configs'
    return (
        _reason_of_model(model, source.package)
        or _reason_of_data(source.cfg)
        or _reason_of_parts(model)
        or _reason_of_family(source)
    )


def _reason_of_model(model: Mapping[str, Any], library: str) -> str | None:
    bases = _bases(model['type'], library)
    for base in bases:
        if base in KINDS:
            return KINDS[base]
    if 'language_model' in model or 'text_encoder' in model:
        return 'it finds what a text says, by a language model that is trained with its backbone'
    if bases[:1] == ['FastRCNN']:
        return (
            'it takes boxes that another model proposed beforehand, which the data here have not; adapt the model '
            'with an RPN, such as mmdet:faster_rcnn/...'
        )
    preprocessor = model.get('data_preprocessor') or {}
    return DATA_PREPROCESSORS.get(str(preprocessor.get('type')).rpartition('.')[2])


def _reason_of_data(cfg: Mapping[str, Any]) -> str | None:
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if 'DSDL' in str(dataset.get('type')):
        return (
            'it shows how to read data in DSDL, with a model of another family; adapt that one, such as '
            'mmdet:faster_rcnn/... or mmseg:deeplabv3/...'
        )
    return None


def _reason_of_parts(model: Mapping[str, Any]) -> str | None:
    backbone = model.get('backbone')
    if not isinstance(backbone, dict):
        return 'it has no backbone to replace'
    kind = str(backbone.get('type')).rpartition('.')[2]
    if kind in WHOLE_NETWORKS:
        return f'its method is its backbone, {kind}'
    shared = (model.get('roi_head') or {}).get('shared_head')
    if shared is not None:
        return 'its RoI head is the last stage of a ResNet; take a config with an FPN or a dilated last stage (dc5)'
    return None


def _reason_of_family(source: SourceConfig) -> str | None:
    if source.name.partition(':')[0] != source.package and '.mim' not in source.file.parts:
        return None
    family = source.file.parent.name
    shown = FAMILIES[source.package].get(family)
    backbone = source.cfg.model.backbone
    if shown is None and source.package == 'mmdet' and (backbone.get('dcn') or backbone.get('plugins')):
        shown = BACKBONE_PARTS.get(family)
    if shown is None:
        return None
    return f'its method is its backbone, {shown}; adapt a config of the family of its heads'


def _bases(kind: Any, library: str) -> list[str]:
    """Return the names of a registered class and its bases; the name alone if it is unknown."""
    from mmengine.registry import MODELS

    found = MODELS.get(kind if '.' in str(kind) else f'{library}.{kind}')
    return [base.__name__ for base in found.__mro__] if isinstance(found, type) else [str(kind).rpartition('.')[2]]
