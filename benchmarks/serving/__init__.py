"""The service beside its limits, a naive service and its peers.

__main__ → bench → server, a target that is up → wrk, processes. What was measured: measurement → tables, picture, page.
Who takes part: targets.py. What they are asked: scenarios.py, requests.py. What they must answer: answers.py.
"""
