"""The registries of this package, in the scope ``convnext_dense``: children of mmengine's root registries.

A config names our classes as ``convnext_dense.<Name>``. mmdet's and mmseg's registries have the same roots, so the
names work in their configs as well.
"""

try:
    import cv2 as _cv2  # noqa: F401 - mmengine imports it with a less clear error message
except ImportError as error:
    if 'lib' not in str(error):
        raise
    raise ImportError(
        f'OpenCV cannot load ({error}): apt-get install libgl1 libglib2.0-0, or take the build that needs neither, '
        'pip install --force-reinstall --no-deps opencv-python-headless'
    ) from None

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOG_PROCESSORS as ROOT_LOG_PROCESSORS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import VISBACKENDS as ROOT_VISBACKENDS
from mmengine.registry import Registry

SCOPE = 'convnext_dense'


def _child(name: str, parent: Registry, *modules: str) -> Registry:
    """Make a registry that imports these modules of the package when a name is first looked up."""
    return Registry(name, parent=parent, scope=SCOPE, locations=[f'{SCOPE}.{module}' for module in modules])


MODELS = _child('model', ROOT_MODELS, 'models', 'roadmap.network')
DATASETS = _child('dataset', ROOT_DATASETS, 'data.classification.dataset', 'data.pretraining.dataset')
DATA_SAMPLERS = _child('data sampler', ROOT_DATA_SAMPLERS, 'data.sampler')
TASK_UTILS = _child('task util', ROOT_TASK_UTILS)
TRANSFORMS = _child('transform', ROOT_TRANSFORMS)
FUNCTIONS = _child('function', ROOT_FUNCTIONS, 'data.classification.dataset', 'data.pretraining.dataset')
OPTIM_WRAPPERS = _child('optim wrapper', ROOT_OPTIM_WRAPPERS, 'optim')
OPTIM_WRAPPER_CONSTRUCTORS = _child('optim wrapper constructor', ROOT_OPTIM_WRAPPER_CONSTRUCTORS, 'optim')
METRICS = _child('metric', ROOT_METRICS, 'evaluation')
HOOKS = _child('hook', ROOT_HOOKS, 'engine')
LOG_PROCESSORS = _child('log processor', ROOT_LOG_PROCESSORS, 'engine')
LOOPS = _child('loop', ROOT_LOOPS, 'engine')
RUNNERS = _child('runner', ROOT_RUNNERS, 'engine')
VISBACKENDS = _child('visualization backend', ROOT_VISBACKENDS, 'engine')
