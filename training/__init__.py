"""Learns autoencoders of handwritten digits, measures them and writes them as bundles. Offline; needs torch."""
