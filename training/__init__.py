"""Learns autoencoders of handwritten digits, measures them and writes them as bundles. Offline; needs torch.

data → model → learning → evaluation → figures → bundle → commands: each room imports only from those before it.
"""
