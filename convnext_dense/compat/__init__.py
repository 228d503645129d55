"""Changes to other libraries: one file each, with the reason, the version, and when the change is made.

=================================== ============== =================================================================
File                                Library        Change, and when
=================================== ============== =================================================================
:mod:`.mmcv_carafe_naive`           mmcv           A gradient of ``CARAFENaive`` on CPUs; when its stand-in is first
                                                   called
:mod:`.mmdet_call_warnings`         mmdet          No warnings about calls that mmdet makes itself; by
                                                   ``models/detector.py``, ``models/segmentor.py``
:mod:`.mmdet_imports`               mmdet, mmseg   Unused libraries are not imported and nothing is printed; by
                                                   ``models/detector.py``, ``models/segmentor.py``
:mod:`.mmdet_mask_warning`          mmdet          No warning for each batch of masks; when our
                                                   RoIExtractor is first used
:mod:`.mmdet_placeholders`          mmdet          Placeholders for mmcv's ops replaced; when this package is
                                                   imported after mmdet
:mod:`.mmdet_ssd_loss`              mmdet          SSD has the attribute that its prediction asks for; by
                                                   ``models/detector.py``
:mod:`.mmengine_adafactor`          mmengine       No import of transformers until Adafactor is wanted; by the
                                                   commands, and by ``convnext_dense.load``
:mod:`.mmengine_checkpoint_loader`  mmengine       Checkpoints are read without unpickling; before a model is built
:mod:`.mmengine_packaged_bases`     mmengine       ``convnext_dense::PATH`` in ``_base_`` is a packaged config; when
                                                   a config is read, and by ``convnext-dense run-stock``
:mod:`.mmengine_parameter_list`     mmengine       No list of all parameters in the log file; while a model is
                                                   initialized
:mod:`.mmengine_recomputation`      mmengine       Parts whose inputs need no gradient are trained under
                                                   activation checkpointing, too; while the runner trains
:mod:`.mmseg_loss_advice`           mmseg          No advice about losses and outputs; while a model is built
:mod:`.mmseg_placeholders`          mmseg          The ops of mmcv that it lacks; when this package is imported
                                                   after mmseg
:mod:`.timm_augment`                timm           Faster functions in a transform that was just built
=================================== ============== =================================================================

:mod:`.mmengine_private_names` and :mod:`.mmdet_private_names` change nothing: the private names of these libraries
that the package reads and sets are there.

Importing :mod:`convnext_dense` makes none of these changes, but for placeholders of an mmdet or mmseg that came first.
Each has a test in ``tests/compat`` that fails when the library no longer needs it. mmcv's compiled ops, for which
torchvision and torch stand in, are in :mod:`convnext_dense.ops`.
"""
