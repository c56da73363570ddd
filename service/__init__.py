"""Serves trained bundles over HTTP: encode, decode, reconstruct and sample handwritten digits.

    server    bytes of a connection → requests, replies → bytes        uvicorn, httptools
    api       requests → jobs, a group of jobs → replies               FastAPI, starlette
    codecs    bodies → pixels and latents, answers → media types       Pillow, ISA-L, orjson
    engine    jobs → groups, arrays → arrays                           NumPy
    runtime   a bundle → sessions                                      onnxruntime

Imports point downwards: __main__ → server → app → api → engine, codecs → runtime → models. Codecs and engine never
meet.
"""
