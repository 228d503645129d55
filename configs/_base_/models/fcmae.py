# FCMAE: a network that sees 40% of the patches of 32 x 32 pixels, and a light decoder that paints the others.
model = dict(
    type='convnext_dense.FCMAE',
    mask_ratio=0.6,
    decoder_dim=512,
    decoder_depth=1,
    normalized_target=True,  # each patch by its own mean and variance
)
