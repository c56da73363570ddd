"""A bundle's graphs as onnxruntime sessions. The only home of onnxruntime."""
