"""A model as a folder for a hub, in the layout of timm or of transformers, which both load with their own functions.

:mod:`.model` says what is shared, :mod:`.timm_layout` and :mod:`.hf_layout` write its files, :mod:`.folder` puts them
in place, :mod:`.upload` on Hugging Face. Importing this package imports neither torch nor timm.
"""
