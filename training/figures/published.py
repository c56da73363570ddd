"""Likelihoods that others published of latent-variable models: test NLL of dynamically binarised MNIST, nats per image.

Bounds by importance weighting, with 128 to 5,000 draws; none of them is given the label.
"""

# model, nats
PUBLISHED = (
    ("VAE, one layer (Burda 2016)", 86.76),
    ("IWAE k=50, one layer (Burda 2016)", 84.78),
    ("ladder VAE, five layers (Sønderby 2016)", 81.74),
    ("ResNet VAE (Kingma 2016)", 81.08),
    ("ResNet VAE, RealNVP prior (Xu 2019)", 78.49),
    ("NVAE, hierarchical (Vahdat 2020)", 78.01),
)
