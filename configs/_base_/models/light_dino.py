# DINO for CPUs and edge devices: 128 channels from the neck on, two layers of encoder and decoder, 100 queries.
_base_ = './dino.py'

model = dict(
    num_queries=100,
    neck=dict(out_channels=128),
    encoder=dict(
        num_layers=2,
        layer_cfg=dict(self_attn_cfg=dict(embed_dims=128), ffn_cfg=dict(embed_dims=128, feedforward_channels=256)),
    ),
    decoder=dict(
        num_layers=2,
        layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=128),
            cross_attn_cfg=dict(embed_dims=128),
            ffn_cfg=dict(embed_dims=128, feedforward_channels=256),
        ),
    ),
    positional_encoding=dict(num_feats=64),
    bbox_head=dict(embed_dims=128),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=30)),
    test_cfg=dict(max_per_img=100),
)
