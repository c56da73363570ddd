"""MNIST: its files, fetched and verified, and its digits as tensors."""
