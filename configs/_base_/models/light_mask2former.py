# Mask2Former with a light head: 64 channels instead of 256, 2 layers of the pixel decoder instead of 6, 3 of the
# decoder instead of 9, 30 queries instead of 100.
_base_ = './mask2former.py'

model = dict(
    panoptic_head=dict(
        feat_channels=64,
        out_channels=64,
        num_queries=30,
        pixel_decoder=dict(
            norm_cfg=dict(num_groups=8),
            encoder=dict(
                num_layers=2,
                layer_cfg=dict(
                    self_attn_cfg=dict(embed_dims=64, num_heads=4),
                    ffn_cfg=dict(embed_dims=64, feedforward_channels=128),
                ),
            ),
            positional_encoding=dict(num_feats=32),
        ),
        positional_encoding=dict(num_feats=32),
        transformer_decoder=dict(
            num_layers=3,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=64, num_heads=4),
                cross_attn_cfg=dict(embed_dims=64, num_heads=4),
                ffn_cfg=dict(embed_dims=64, feedforward_channels=256),
            ),
        ),
    ),
)
