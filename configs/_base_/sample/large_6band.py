# `--data sample-large-6band`, after the settings for its scenes: all bands as they are stored.
bands = 'all'
