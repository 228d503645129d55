"""Packaging.

The dependencies come from requirements/, the version from the package; the configs travel in the wheel.
"""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def requirements(name):
    lines = (line.split('#')[0].strip() for line in (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines())
    return [line for line in lines if line]


def version():
    text = (ROOT / 'convnext_dense' / 'version.py').read_text()
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


class BuildWithConfigs(build_py):
    """Put configs/ into the wheel as convnext_dense/configs/; an editable installation reads them in place."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'convnext_dense' / 'configs'
        shutil.rmtree(target, ignore_errors=True)  # a config deleted since the last build stays deleted
        for source, copy in self.configs():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)

    def get_outputs(self, include_bytecode=1):
        copies = [] if self.editable_mode else [str(copy) for _, copy in self.configs()]
        return super().get_outputs(include_bytecode) + copies

    def configs(self):
        build = Path(self.build_lib)
        configs = sorted((ROOT / 'configs').rglob('*.py'))
        return [(path, build / 'convnext_dense' / path.relative_to(ROOT)) for path in configs]


readme = ROOT / 'README.md'
setup(
    name='convnext-dense',
    version=version(),
    description='Dense-prediction toolkit for ConvNeXt: classification, detection, semantic and panoptic segmentation',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.10,<3.14',
    packages=find_packages(include=['convnext_dense', 'convnext_dense.*', 'convnext_dense_doctor']),
    package_data={'convnext_dense.analysis.page': ['assets/*.html', 'assets/*/*', 'vendor/*/*']},
    install_requires=requirements('runtime'),
    extras_require={'optional': requirements('optional'), 'dev': requirements('dev')},
    entry_points={'console_scripts': ['convnext-dense = convnext_dense_doctor:console']},
    cmdclass={'build_py': BuildWithConfigs},
)
