"""Trained bundles, and the manifest that describes one: the boundary between training and service."""
