"""Serves trained bundles over HTTP: encode, decode, reconstruct and sample handwritten digits."""
