"""Trained bundles, and how they are described, read, verified and written: the boundary of training and service.

NumPy and pydantic only.
"""
