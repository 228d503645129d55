"""Runs when Python starts, by convnext_dense.pth: stock mmdet and mmseg tools find mmcv's ops before any config.

mmdet's own tools/test.py imports mmcv's compiled ops at its top, where a config's ``custom_imports`` come too late.
This costs one entry on ``sys.meta_path`` and imports nothing until somebody asks for ``mmcv._ext``.
"""

import sys


class _Ops:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != 'mmcv._ext':
            return None
        from convnext_dense.ops import FINDER

        return FINDER.find_spec(name, path, target)


sys.meta_path.append(_Ops)
