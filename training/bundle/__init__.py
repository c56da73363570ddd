"""What is left of a run in the end: ONNX graphs, proved equal to torch, and all that describes them."""
